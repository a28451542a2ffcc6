import { sourceFolders } from '../config/config';
import { runCheck } from './run-check';

const { exitCode, stdout, stderr } = runCheck(process.argv.slice(2), sourceFolders(process.env));
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
