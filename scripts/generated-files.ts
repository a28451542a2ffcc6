import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names of files that differ from what is in the folder: changed, missing there, or no longer generated. Sorted. */
export function staleFiles(folder: string, files: ReadonlyMap<string, string>): string[] {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  const changed = [...files].filter(
    ([name, content]) => !there.includes(name) || readFileSync(join(folder, name), 'utf8') !== content,
  );
  return [...changed.map(([name]) => name), ...there.filter((name) => !files.has(name))].sort();
}

/** Writes those of the files that are named, and removes what is named and is none of them. */
export function writeFiles(folder: string, files: ReadonlyMap<string, string>, names: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    const content = files.get(name);
    if (content === undefined) rmSync(join(folder, name), { recursive: true });
    else writeFileSync(join(folder, name), content);
  }
}
