/** A real Redis on a port of its own, which keeps nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { freePort } from '../free-ports';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Has it answer nobody, though connections stay open, until it is told to go on. */
  stop(): void;
  goOn(): void;
  /** Ends it without a word. Resolves once its port is free. */
  kill(): Promise<void>;
}

/** @param port - A free one where it is left out. */
export async function startRedis(port?: number, password?: string): Promise<RedisServer> {
  const own = port ?? (await freePort());
  const settings = [
    '--port',
    String(own),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    tmpdir(),
  ];
  if (password !== undefined) settings.push('--requirepass', password);
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    });
    child.once('close', () => reject(new Error(`redis-server has ended: ${output}`)));
  });
  return {
    port: own,
    url: `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${own}`,
    stop: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
