import { sourceFolders } from '../config/config';
import { compileContract } from '../contract/contract';
import { exitWhenDone } from './command-result';
import { runImport } from './run-import';
import { unserved } from './unserved';

exitWhenDone(
  runImport(process.argv.slice(2), {
    folders: sourceFolders(process.env),
    check: (sources, findings) => compileContract(sources, unserved, findings),
  }),
);
