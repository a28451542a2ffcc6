import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { breakingChanges, type BreakingChange, type OlderContract } from '../contract/breaking-changes';
import { compileContract, type Contract } from '../contract/contract';
import { formatMap, mapOf, type GatewayMap } from '../contract/gateway-map';
import { byPlace, Findings, formatFinding, SchemaError, type Finding } from '../diagnostics/findings';
import { loadProtos } from '../proto/protos';
import { assumedSize, unboundedLists } from '../schema/cost';
import { loadSources, type SourceFolders, type Sources } from '../schema/sources';
import { couldNotRun, type CommandResult } from './command-result';
import { CannotRun, foldersOf, requireFolder, requireFolders, sourceOptions } from './folders';
import { count } from './text';
import { unserved } from './unserved';

const usage = `Usage: npm run check -- [options]

Checks SDL, protos and REST operations against each other, and prints the map of the gateway: what answers each field
and each route, who may ask, and what the routes cost. Warns of lists that nothing bounds. Needs no configuration and
calls no upstream.

  --schema DIR   folder of the SDL files; SCHEMA_DIR, or schema
  --proto DIR    folder of the protos; PROTO_DIR, or proto
  --against DIR  an older copy: a folder with proto/ and schema/ in it, or a folder of protos. Lists what breaks
                 between it and now, with the fields and routes that each change takes down
  --json         prints one JSON document: findings, warnings, fields, routes, and breaking with --against
  --help         prints this

Exit codes: 0 clean, 1 findings or breaking changes, 2 could not run.
`;

/**
 * Runs `npm run check`. Exit code 0: clean; 1: findings or breaking changes; 2: it could not run.
 *
 * @param defaults - The folders to check where the arguments name no others.
 */
export function runCheck(args: readonly string[], defaults: SourceFolders): CommandResult {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    return couldNotRun(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  if (options.help === true) return { exitCode: 0, stdout: usage, stderr: '' };
  try {
    const folders = foldersOf(options, defaults);
    const report = createReport(folders, options.against);
    const exitCode = report.findings.length > 0 || (report.breaking ?? []).length > 0 ? 1 : 0;
    return { exitCode, stdout: options.json === true ? toJson(report) : toText(report, options.against), stderr: '' };
  } catch (error) {
    const text = error instanceof CannotRun ? error.message : String((error as Error)?.stack ?? error);
    return couldNotRun(`the check could not run: ${text}\n`);
  }
}

function readOptions(args: readonly string[]) {
  return parseArgs({ args: [...args], options: { ...sourceOptions, json: { type: 'boolean' } } }).values;
}

interface Report extends GatewayMap {
  /** By file and place. */
  readonly findings: readonly Finding[];
  /** What fits, and may be a mistake nevertheless. They do not change the exit code. */
  readonly warnings: readonly Finding[];
  /** Left out where there is nothing to compare with. */
  readonly breaking?: readonly BreakingChange[];
}

/** @throws CannotRun where a folder is missing or the older copy cannot be read. */
function createReport(folders: SourceFolders, against: string | undefined): Report {
  requireFolders(folders);
  const findings = new Findings();
  const sources = collectFindings(findings, () => loadSources(folders));
  const contract = sources && collectFindings(findings, () => compileContract(sources, unserved, findings));
  const older = against === undefined ? undefined : olderContract(resolve(against), folders, sources);
  const map = contract ? mapOf(contract) : { fields: [], routes: [] };
  return {
    findings: byPlace(findings.list),
    warnings: contract ? byPlace(unboundedListWarnings(contract)) : [],
    ...map,
    ...(older && sources
      ? { breaking: breakingChanges(older, { protos: sources.protos, contract, complete: findings.list.length === 0 }) }
      : {}),
  };
}

/** Warnings of lists whose cost is a guess. */
function unboundedListWarnings({ schema }: Contract): readonly Finding[] {
  const warnings = new Findings();
  for (const { coordinate, field } of unboundedLists(schema)) {
    warnings.at(
      field.astNode,
      `${coordinate} is a list that nothing bounds; its cost is that of ${assumedSize} items`,
      'Say how many there are with @listSize(assumedSize: ...), or page it.',
    );
  }
  return warnings.list;
}

/** Runs what throws its findings, and collects them; undefined where it threw. */
function collectFindings<T>(findings: Findings, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    for (const { file, message, fix, line, column } of error.findings) findings.in(file, message, fix, line, column);
    return undefined;
  }
}

/**
 * Reads the older copy. Findings in it are of no interest any more.
 *
 * @param current - Where the SDL comes from if the copy has only protos.
 */
function olderContract(folder: string, current: SourceFolders, sources: Sources | undefined): OlderContract {
  requireFolder(folder);
  const [schemaDir, protoDir] = [join(folder, 'schema'), join(folder, 'proto')];
  const { protoInclude = [] } = current;
  try {
    if (existsSync(schemaDir)) {
      requireFolder(protoDir);
      const older = loadSources({ schemaDir, protoDir, protoInclude });
      return { contract: contractOf(older), protos: older.protos };
    }
    const protos = loadProtos(existsSync(protoDir) ? protoDir : folder, protoInclude);
    const sdl = sources ?? loadSources(current);
    return { contract: contractOf({ ...sdl, protos }), protos };
  } catch (error) {
    if (error instanceof CannotRun) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    throw new CannotRun(`the older copy in ${folder} cannot be read: ${problem}`);
  }
}

function contractOf(sources: Sources): Contract {
  return compileContract(sources, unserved, new Findings());
}

function toJson({ findings, warnings, fields, routes, breaking }: Report): string {
  return `${JSON.stringify({ findings, warnings, fields, routes, ...(breaking ? { breaking } : {}) }, null, 2)}\n`;
}

function toText({ findings, warnings, fields, routes, breaking }: Report, against: string | undefined): string {
  const parts: string[] = [];
  if (findings.length > 0) {
    parts.push(findings.map(formatFinding).join('\n'), count(findings.length, 'finding'));
  } else {
    parts.push(formatMap({ fields, routes }));
    if (warnings.length > 0) {
      parts.push(warnings.map((warning) => `warning: ${formatFinding(warning)}`).join('\n'));
    }
  }
  if (breaking) {
    parts.push(
      ...breaking.map(formatChange),
      `${count(breaking.length, 'breaking change')} since ${against ?? 'the older copy'}`,
    );
  }
  if (against !== undefined && !breaking) parts.push(`not compared with ${against}: the files cannot be read`);
  if (findings.length === 0) {
    parts.push(`${count(fields.length, 'field')}, ${count(routes.length, 'route')}, no findings`);
  }
  return `${parts.join('\n\n')}\n`;
}

function formatChange({ message, fields, routes }: BreakingChange): string {
  const lines = [
    ...(fields.length > 0 ? [`fields: ${fields.join(', ')}`] : []),
    ...(routes.length > 0 ? [`routes: ${routes.join(', ')}`] : []),
  ];
  return [message, ...(lines.length > 0 ? lines : ['no field and no route stands on it'])].join('\n    ');
}
