import { parseArgs } from 'node:util';
import { loadContract } from '../contract/contract';
import { openApiChanges, type OpenApiChanges } from '../contract/openapi/openapi-changes';
import { DocumentError, isObject } from '../contract/openapi/references';
import { createOpenApi, type OpenApiDocument } from '../rest/openapi/openapi';
import { openApiPath } from '../rest/openapi/route';
import { loadSources, type SourceFolders } from '../schema/sources';
import { signInPaths } from '../signin/routes';
import { version } from '../version';
import { couldNotRun, type CommandResult } from './command-result';
import { CannotRun, foldersOf, requireFolders, sourceOptions } from './folders';
import { nameOfSource, readDocument } from './read-document';
import { count } from './text';
import { unserved } from './unserved';

const usage = `Usage: npm run -s openapi -- [options] > openapi.json

Prints the OpenAPI 3.1 document of the REST routes. Needs no configuration and calls no upstream. So the document fits every gateway
with this schema: it has no servers, any identity provider, the session cookie of production, and every answer of signing out.

  --schema DIR      folder of the SDL files; SCHEMA_DIR, or schema
  --proto DIR       folder of the protos; PROTO_DIR, or proto
  --against SOURCE  an older document, in JSON: a file, - for standard input, or the http(s) URL of a running gateway's
                    /api/openapi.json. Lists what breaks its clients, instead of printing the document; what the gateway
                    itself answers, such as signing in, is left out
  --help            prints this

Exit codes: 0 printed, or nothing breaks; 1 breaking changes; 2 could not run; where SDL and protos do
not fit, npm run check says where.
`;

/**
 * Runs `npm run openapi`. Exit code 0: printed, or nothing breaks; 1: breaking changes; 2: it could not run.
 *
 * @param defaults - The folders to read where the arguments name no others.
 * @param stdin - Read for `--against -` alone.
 */
export async function runOpenApi(
  args: readonly string[],
  defaults: SourceFolders,
  stdin: AsyncIterable<Uint8Array>,
): Promise<CommandResult> {
  let options;
  try {
    options = parseArgs({ args: [...args], options: sourceOptions }).values;
  } catch (error) {
    return couldNotRun(`${(error as Error).message}\n\n${usage}`);
  }
  if (options.help === true) return { exitCode: 0, stdout: usage, stderr: '' };
  try {
    const document = createDocument(foldersOf(options, defaults));
    const { against } = options;
    if (against === undefined) return { exitCode: 0, stdout: `${JSON.stringify(document, null, 2)}\n`, stderr: '' };
    const changes = compare(await readDocument(against, stdin), document, against);
    return { exitCode: changes.breaking.length > 0 ? 1 : 0, stdout: toText(changes, against), stderr: '' };
  } catch (error) {
    return couldNotRun(`${(error as Error).message}\n`);
  }
}

function createDocument(folders: SourceFolders): OpenApiDocument {
  requireFolders(folders);
  const { schema, operations } = loadContract(loadSources(folders), unserved);
  return createOpenApi({ schema, operations, signInPaths, version });
}

/** @throws CannotRun where the older document cannot be compared */
function compare(older: unknown, document: OpenApiDocument, against: string): OpenApiChanges {
  try {
    return openApiChanges(withoutOwnRoutes(older), withoutOwnRoutes(document));
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    throw new CannotRun(`${nameOfSource(against)} cannot be compared: ${error.message}`);
  }
}

/** What the gateway itself answers depends on its configuration, which is not known here. */
function withoutOwnRoutes(document: unknown): unknown {
  if (!isObject(document) || !isObject(document['paths'])) return document;
  const own: readonly string[] = [...Object.values(signInPaths), openApiPath];
  return {
    ...document,
    paths: Object.fromEntries(Object.entries(document['paths']).filter(([path]) => !own.includes(path))),
  };
}

/** Added places that are named; of more there is the number. */
const namedPlaces = 10;

/** Escapes control characters: the names in a document must not add lines to the report, or send commands to the terminal. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1));
}

function toText({ breaking, warnings, added }: OpenApiChanges, against: string): string {
  const more = added.length - namedPlaces;
  const addition = [...added.slice(0, namedPlaces), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
  const parts = [
    breaking.map(onOneLine).join('\n'),
    warnings.map((warning) => onOneLine(`warning: ${warning}`)).join('\n'),
    addition === '' ? '' : onOneLine(`added: ${addition}`),
    `${count(breaking.length, 'breaking change')} since ${nameOfSource(against)}`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
