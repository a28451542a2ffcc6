import { sourceFolders } from '../config/config';
import { exitWhenDone } from './command-result';
import { runOpenApi } from './run-openapi';

exitWhenDone(runOpenApi(process.argv.slice(2), sourceFolders(process.env), process.stdin));
