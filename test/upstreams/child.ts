/** Development only. Child processes that run a TypeScript file of this repository and die with their parent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listeningMessage } from './run';

/** How long a child may take to end before it is killed. */
const endLimitMs = 5_000;

/** A process to start. */
export interface ChildOptions {
  /** The file to run, relative to this directory. */
  entry: string;
  env: NodeJS.ProcessEnv;
  /** Takes the child's output line by line. Unset: the output goes where this process writes. */
  onLine?: ((line: string) => void) | undefined;
  /** Called once it says over IPC that it is listening. */
  onListening?: (() => void) | undefined;
  /** Called when it has ended, with how: an exit code or the name of a signal. */
  onEnd: (how: string) => void;
}

/** A process that was started. */
export interface Child {
  /** Asks it to end, and kills it where it does not. Resolves once it is gone; harmless where it is gone already. */
  end: () => Promise<void>;
  /** Kills it at once. */
  kill: () => void;
}

/** Starts a file with tsx, without a shell in between, and with an IPC channel whose end tells the child to end too. */
export function startChild({ entry, env, onLine, onListening, onEnd }: ChildOptions): Child {
  const output = onLine ? 'pipe' : 'inherit';
  const loader = pathToFileURL(require.resolve('tsx')).href;
  const child = spawn(process.execPath, ['--import', loader, join(__dirname, entry)], {
    env,
    // In a process group of its own: Ctrl-C then reaches this process alone, which tells each child once to end.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream && onLine) createInterface({ input: stream }).on('line', onLine);
  }
  child.on('message', (message) => {
    if (message === listeningMessage) onListening?.();
  });
  // Its output may come later than its end, and belongs before the news of it.
  void describeEnd(once(child, 'close')).then(onEnd);
  const gone = describeEnd(once(child, 'exit'));
  return {
    end: async () => {
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), endLimitMs);
      await gone;
      clearTimeout(kill);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

async function describeEnd(end: Promise<unknown[]>): Promise<string> {
  try {
    const [code, signal] = (await end) as [number | null, string | null];
    return signal ?? `exit code ${code}`;
  } catch (error) {
    // It could not even be started.
    return error instanceof Error ? error.message : String(error);
  }
}
