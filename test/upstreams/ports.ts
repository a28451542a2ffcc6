/** Development only. Ports: read from the environment, and checked before they are used. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Reads a port number. Undefined where the text is none. */
export function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** Rejects, in plain words, where a port cannot be listened on; without a host, on any interface. Port 0 is fine. */
export async function demandFreePort(port: number, host?: string): Promise<void> {
  if (port === 0) return;
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Error(explain(error as NodeJS.ErrnoException, port, host), { cause: error });
  }
  server.close();
  await once(server, 'close');
}

function explain({ code, message }: NodeJS.ErrnoException, port: number, host: string | undefined): string {
  const what = host === undefined ? `port ${port}` : `port ${port} on ${host}`;
  if (code === 'EADDRINUSE') return `${what} is taken`;
  if (code === 'EACCES') return `${what} needs rights that this process does not have`;
  return message;
}
