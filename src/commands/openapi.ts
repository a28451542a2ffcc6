import { sourceFolders } from '../config/config';
import { exitWith } from './command-result';
import { runOpenApi } from './run-openapi';

runOpenApi(process.argv.slice(2), sourceFolders(process.env), process.stdin).then(exitWith, (error: unknown) => {
  exitWith({ exitCode: 2, stdout: '', stderr: `${String((error as Error)?.stack ?? error)}\n` });
});
