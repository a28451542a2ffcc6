import { parseArgs } from 'node:util';
import { loadContract } from '../contract/contract';
import { createOpenApi } from '../rest/openapi/openapi';
import { loadSources, type SourceFolders } from '../schema/sources';
import { signInPaths } from '../signin/routes';
import { version } from '../version';
import { couldNotRun, type CommandResult } from './command-result';
import { foldersOf, requireFolders } from './folders';
import { unserved } from './unserved';

const usage = `Usage: npm run openapi -- [options] > openapi.json

Prints the OpenAPI 3.1 document of the REST routes. Needs no configuration and calls no upstream. What only the configuration
knows is as open as it may be: no servers, any identity provider, the session cookie of production, and every answer of signing out.

  --schema DIR   folder of the SDL files; SCHEMA_DIR, or schema
  --proto DIR    folder of the protos; PROTO_DIR, or proto
  --help         prints this

Exit codes: 0 printed, 2 could not run: npm run check says what does not fit.
`;

/**
 * Runs `npm run openapi`. Exit code 0: printed; 2: it could not run.
 *
 * @param defaults - The folders to read where the arguments name no others.
 */
export function runOpenApi(args: readonly string[], defaults: SourceFolders): CommandResult {
  let options;
  try {
    options = parseArgs({
      args: [...args],
      options: { schema: { type: 'string' }, proto: { type: 'string' }, help: { type: 'boolean' } },
    }).values;
  } catch (error) {
    return couldNotRun(`${(error as Error).message}\n\n${usage}`);
  }
  if (options.help === true) return { exitCode: 0, stdout: usage, stderr: '' };
  try {
    const folders = foldersOf(options, defaults);
    requireFolders(folders);
    const { schema, operations } = loadContract(loadSources(folders), unserved);
    const document = createOpenApi({ schema, operations, signInPaths, version });
    return { exitCode: 0, stdout: `${JSON.stringify(document, null, 2)}\n`, stderr: '' };
  } catch (error) {
    return couldNotRun(`${(error as Error).message}\n`);
  }
}
