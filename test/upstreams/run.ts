/** Development only. What makes a development upstream a process: its port, its signals, its end. */
import { readPort } from './ports';

/** How long an upstream may take to close. */
const closeLimitMs = 1_500;

/** What a parent process hears over IPC once an upstream is listening. */
export const listeningMessage = 'listening';

/** An upstream as a process of its own. */
export interface UpstreamProcess {
  /** How it is called in messages. */
  name: string;
  /** The environment variable that moves its port. */
  portVariable: string;
  /** Its port where the variable is not set. */
  defaultPort: number;
  /** Starts it. The lines are printed once it is listening. */
  start: (port: number, host: string) => Promise<{ lines: string[]; close: () => Promise<void> }>;
}

/**
 * Runs an upstream until SIGINT, SIGTERM or SIGHUP comes, or the parent that started it with IPC is gone. Exit code 0
 * then, and 1 with one line on stderr where it cannot start. `DEV_HOST` moves the interface from 127.0.0.1.
 */
export function runUpstream(upstream: UpstreamProcess): void {
  run(upstream).catch((error: unknown) => {
    process.stderr.write(`${upstream.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}

async function run({ portVariable, defaultPort, start }: UpstreamProcess): Promise<void> {
  const text = process.env[portVariable] || String(defaultPort);
  const port = readPort(text);
  if (port === undefined) throw new Error(`${portVariable} must be a port from 1 to 65535, not ${text}`);
  const running = await start(port, process.env['DEV_HOST'] || '127.0.0.1').catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)} (${portVariable} moves it)`);
  });
  endWith(() => running.close());
  for (const line of running.lines) process.stdout.write(`${line}\n`);
  process.send?.(listeningMessage);
}

function endWith(close: () => Promise<void>): void {
  const end = () => {
    setTimeout(() => process.exit(0), closeLimitMs).unref();
    void close().finally(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  // Only where there is a parent: it is gone, even if it was killed and could not say so.
  process.on('disconnect', end);
  if (process.send && !process.connected) end();
  // A parent that is gone reads no output any more, which is no reason to fail.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
