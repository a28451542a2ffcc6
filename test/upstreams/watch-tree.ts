/** Development only. Watches a folder and all below it. */
import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

/**
 * Calls back with the path of whatever is written, replaced, made or removed. Each folder is watched by itself: the
 * recursive watch of Node 20 on Linux loses sight of a file once it is replaced, which is how git and many editors
 * write. Gives a function that ends it.
 */
export function watchTree(folder: string, onChange: (path: string) => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  const forget = (path: string) => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const follow = (path: string, isNew: boolean) => {
    // Made anew under the same name it is another folder, and the old watcher does not see it.
    forget(path);
    const watcher = watch(path, (event, name) => {
      if (name === null) return;
      const changed = join(path, name);
      if (event !== 'rename' || !isFolder(changed)) return onChange(changed);
      try {
        follow(changed, true);
      } catch (error) {
        // A folder may be gone again before it can be looked into.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    });
    watcher.on('error', () => forget(path));
    watchers.set(path, watcher);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) follow(inside, isNew);
      // What was written into a new folder before it was watched has been missed.
      else if (isNew) onChange(inside);
    }
  };
  follow(folder, false);
  return () => {
    for (const path of watchers.keys()) forget(path);
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
