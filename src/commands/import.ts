import { sourceFolders } from '../config/config';
import { compileContract } from '../contract/contract';
import { exitWith } from './command-result';
import { runImport } from './run-import';
import { unserved } from './unserved';

runImport(process.argv.slice(2), {
  folders: sourceFolders(process.env),
  check: (sources, findings) => compileContract(sources, unserved, findings),
}).then(exitWith, (error: unknown) => {
  exitWith({ exitCode: 2, stdout: '', stderr: `${String((error as Error)?.stack ?? error)}\n` });
});
