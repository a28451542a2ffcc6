import { sourceFolders } from '../config/config';
import { exitWith } from './command-result';
import { runCheck } from './run-check';

exitWith(runCheck(process.argv.slice(2), sourceFolders(process.env)));
