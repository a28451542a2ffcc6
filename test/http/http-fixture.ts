import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { json, readJson, type Route } from '../../src/http/exchange';
import { createHttpHandler, type HandlerOptions } from '../../src/http/http-handler';
import type { ReadTimeouts } from '../../src/http/listener';
import { startServer, type RunningServer } from '../../src/http/server';
import { createLog } from '../../src/telemetry/log';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics';
import { until, type LogLine } from '../gateway-fixture';

/** The HTTP layer with routes of a test, and what it leaves behind. */
export interface Site {
  readonly server: RunningServer;
  readonly metrics: Metrics;
  /** Access lines. */
  readonly lines: LogLine[];
  /** Lines of any other kind. */
  readonly others: LogLine[];
  connect(): Client;
}

/** A connection of which the test reads what it wants. */
export interface Client {
  readonly socket: Socket;
  /** All that has been read. */
  text(): string;
  /** Reads until a condition holds. */
  reads(holds: (text: string) => boolean): Promise<string>;
  /** Reads all that there is until the gateway closes the connection. */
  readToEnd(): Promise<string>;
  /** Waits until the gateway has read all that was written. */
  arrived(): Promise<void>;
  /** Breaks the connection off, and waits until the gateway has heard of it. */
  leave(): Promise<void>;
}

export const sites: Site[] = [];
export const sockets: Socket[] = [];

/** The gateway's end of connections, by the port of the other end. */
const accepted = new Map<number | undefined, Socket>();
const accept = (message: unknown): void => {
  const { socket } = message as { socket: Socket };
  accepted.set(socket.remotePort, socket);
};
beforeAll(() => subscribe('net.server.socket', accept));
afterAll(() => unsubscribe('net.server.socket', accept));

/** Lets the gateway do what it can by itself. */
async function turns(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await new Promise((resolve) => setImmediate(resolve));
}

afterEach(async () => {
  accepted.clear();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { server } of sites.splice(0)) await server.close();
});

export async function openSite(
  routes: readonly Route[],
  options: Partial<HandlerOptions> & { readTimeouts?: ReadTimeouts; shutdownGrace?: number } = {},
): Promise<Site> {
  const lines: LogLine[] = [];
  const others: LogLine[] = [];
  const sink = new PassThrough();
  sink.on('data', (chunk: Buffer) => {
    for (const text of chunk.toString().split('\n').slice(0, -1)) {
      const line = JSON.parse(text) as LogLine;
      (line['msg'] === 'request' ? lines : others).push(line);
    }
  });
  const log = createLog('info', sink);
  const metrics = createMetrics({ processMetrics: false });
  const { readTimeouts, shutdownGrace = 100, ...handlerOptions } = options;
  const http = createHttpHandler({
    routes,
    log,
    metrics,
    requestTimeout: 30_000,
    strictTransport: false,
    ...handlerOptions,
  });
  const rest = { drain: () => {}, endStreams: () => {}, close: () => {}, flush: () => Promise.resolve() };
  const served = { ...http, handleAdmin: http.handle, ...rest };
  const listen = { port: 0, adminPort: 0, host: '127.0.0.1', adminHost: '127.0.0.1' };
  const server = await startServer(served, { ...listen, shutdownDelay: 0, shutdownGrace, readTimeouts }, log);
  const site: Site = {
    server,
    metrics,
    lines,
    others,
    connect() {
      const socket = connect(server.port, '127.0.0.1');
      sockets.push(socket);
      let text = '';
      socket.on('error', () => {});
      const read = (): void => void socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      return {
        socket,
        text: () => text,
        reads(holds) {
          if (socket.listenerCount('data') === 0) read();
          return until(() => text, holds);
        },
        async readToEnd() {
          read();
          if (!socket.closed) await once(socket, 'close');
          return text;
        },
        async arrived() {
          await until(
            () => accepted.get(socket.localPort)?.bytesRead,
            (bytes) => bytes === socket.bytesWritten,
          );
          await turns();
        },
        async leave() {
          const other = accepted.get(socket.localPort);
          socket.resetAndDestroy();
          await until(
            () => other?.closed,
            (closed) => closed === true,
          );
          await turns();
        },
      };
    },
  };
  sites.push(site);
  return site;
}

export const head = (...lines: string[]): string => [...lines, 'Host: a', '', ''].join('\r\n');
export const statuses = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)) ?? [];
export const requestIds = (text: string): string[] =>
  [...text.matchAll(/^x-request-id: (.*)\r$/gim)].map(([, id]) => id as string);

/** A route that answers when it is let. */
export function gate(path: string, answer = 'first'): { route: Route; calls: () => number; open: () => void } {
  let calls = 0;
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const route: Route = {
    method: 'GET',
    path,
    async handle() {
      calls += 1;
      await opened;
      return json(200, { answer });
    },
  };
  return { route, calls: () => calls, open };
}

export const echo: Route = {
  method: 'POST',
  path: '/echo',
  handle: async (exchange) => json(200, await readJson(exchange)),
};
export const chunked = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
