import { join } from 'node:path';

/** `test/bench`. */
export const benchDir = join(import.meta.dirname, '..');
/** The gateway's own folder. */
export const rootDir = join(benchDir, '../..');
export const protoDir = join(rootDir, 'proto');
export const schemaDir = join(rootDir, 'schema');
