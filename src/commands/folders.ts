import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SourceFolders } from '../schema/sources';

/** Why a command cannot run. */
export class CannotRun extends Error {}

/** The options that commands over SDL and protos share, as `parseArgs` takes them. */
export const sourceOptions = {
  schema: { type: 'string' },
  proto: { type: 'string' },
  against: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** The arguments that name folders. */
interface FolderOptions {
  readonly schema?: string | undefined;
  readonly proto?: string | undefined;
}

/**
 * The folders that a command reads.
 *
 * @param defaults - Where the arguments name no others.
 */
export function foldersOf({ schema, proto }: FolderOptions, defaults: SourceFolders): SourceFolders {
  return {
    ...defaults,
    ...(schema === undefined ? {} : { schemaDir: resolve(schema) }),
    ...(proto === undefined ? {} : { protoDir: resolve(proto) }),
  };
}

/** @throws CannotRun where one of the folders is missing */
export function requireFolders({ schemaDir, protoDir, protoInclude = [] }: SourceFolders): void {
  for (const folder of [schemaDir, protoDir, ...protoInclude]) requireFolder(folder);
}

/** @throws CannotRun where there is no such folder */
export function requireFolder(folder: string): void {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new CannotRun(`there is no folder ${folder}`);
}
