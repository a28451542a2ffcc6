import { sourceFolders } from '../config/config';
import { exitWith } from './command-result';
import { runOpenApi } from './run-openapi';

exitWith(runOpenApi(process.argv.slice(2), sourceFolders(process.env)));
