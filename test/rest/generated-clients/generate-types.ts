/** Prints the types that openapi-typescript makes of the document on standard input. */
import { readFileSync } from 'node:fs';
import openapiTypescript, { astToString } from 'openapi-typescript';

void openapiTypescript(readFileSync(0, 'utf8')).then((types) => process.stdout.write(astToString(types)));
