/** Writes what a run came to into the repository. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchDir, rootDir } from './paths.mjs';
import { capacitySection, readmeSection, resultsFile, toChart } from './report.mjs';

/** @param run - `{ date, machine, versions, options, results, goals }` */
export async function writeResults(run) {
  const inBench = (name) => join(benchDir, name);
  const { machine, date } = run;
  const caption = `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`;
  writeFileSync(inBench('results.svg'), toChart(run.results, caption));
  await writeFormatted(inBench('results.md'), resultsFile(run));
  await writeFormatted(inBench('results.json'), JSON.stringify(run, rounded));
  await writeSection('README.md', 'bench', readmeSection(run));
  await writeSection('docs/runbook.md', 'capacity', capacitySection(run));
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
