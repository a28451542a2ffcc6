/** Writes what a run came to into the repository. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchDir, rootDir } from './paths.mjs';
import { readmeSection, resultsFile, toChart } from './report.mjs';

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';

/** @param run - `{ date, machine, versions, options, results, goals }` */
export async function writeResults(run) {
  const inBench = (name) => join(benchDir, name);
  const { machine, date } = run;
  const caption = `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`;
  writeFileSync(inBench('results.svg'), toChart(run.results, caption));
  await writeFormatted(inBench('results.md'), resultsFile(run));
  await writeFormatted(inBench('results.json'), JSON.stringify(run, rounded));
  const readme = join(rootDir, 'README.md');
  await writeFormatted(readme, withSection(readFileSync(readme, 'utf8'), readmeSection(run)));
}

/** Microseconds and milliseconds need no more than three places. */
function rounded(_name, value) {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

function withSection(readme, section) {
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the README has no section from "${begin}" to "${end}"`);
  return `${readme.slice(0, from)}${begin}\n\n${section}\n\n${readme.slice(to)}`;
}

/** As the repository's own rules have it. */
async function writeFormatted(path, text) {
  const { format, resolveConfig } = await import('prettier');
  writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}
