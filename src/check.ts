import { sourceFolders } from './config';
import { runCheck } from './contract/command';

const { exitCode, stdout, stderr } = runCheck(process.argv.slice(2), sourceFolders(process.env));
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
