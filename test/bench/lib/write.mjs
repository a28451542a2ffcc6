/** Writes what a run came to into the repository. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchDir, rootDir } from './paths.mjs';
import { capacitySection, readmeSection, resultsFile, toChart } from './report.mjs';

/**
 * @param run - `{ date, machine, versions, options, results, goals }`
 * @param beside - A name: the results go into files of their own beside those of the headline.
 * @returns what was written, for people
 */
export async function writeResults(run, beside) {
  const inBench = (name) => join(benchDir, name);
  const { machine, date } = run;
  const caption = `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`;
  const base = beside === undefined ? 'results' : `results-${beside}`;
  writeFileSync(inBench(`${base}.svg`), toChart(run.results, caption));
  await writeFormatted(inBench(`${base}.md`), resultsFile(run, `${base}.svg`));
  await writeFormatted(inBench(`${base}.json`), JSON.stringify(run, rounded));
  if (beside !== undefined) return `${base}.md, .json and .svg`;
  await writeSection('README.md', 'bench', readmeSection(run));
  await writeSection('docs/runbook.md', 'capacity', capacitySection(run));
  return 'results.md, .json and .svg, and the sections of README and runbook';
}

/** Microseconds and milliseconds need no more than three places. */
function rounded(_name, value) {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->` in a file. */
async function writeSection(file, name, section) {
  const path = join(rootDir, file);
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no section from "${begin}" to "${end}"`);
  await writeFormatted(path, `${text.slice(0, from)}${begin}\n\n${section}\n\n${text.slice(to)}`);
}

/** As the repository's own rules have it. */
async function writeFormatted(path, text) {
  const { format, resolveConfig } = await import('prettier');
  writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}
