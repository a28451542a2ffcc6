import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { Refuse } from './http-handler';
import { refusalOf, tunnelRefused, writeRefusal } from './unreadable-request';

/** What is served. */
export interface Served {
  readonly handle: RequestListener;
  /** Refuses what came for {@link handle} and cannot be read. */
  readonly refuse: Refuse;
  readonly handleAdmin: RequestListener;
  drain(): void;
  endStreams(): void;
  close(): void;
  /** Resolves once every request has left behind what it leaves: its access line, metrics, spans. */
  settled(): Promise<void>;
  /** What is left to do once everything is closed and settled. */
  flush(): Promise<void>;
}

export interface ServerOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly host?: string | undefined;
  readonly adminHost?: string | undefined;
  /** Ms to go on serving while "not ready", so that load balancers notice. */
  readonly shutdownDelay: number;
  /** Ms that shutting down takes at most, the delay included, and what is left to do once requests were cut off. */
  readonly shutdownGrace: number;
  readonly readTimeouts?: ReadTimeouts | undefined;
}

/** How long requests may take to arrive; in ms. */
export interface ReadTimeouts {
  readonly headers: number;
  /** With the body. */
  readonly request: number;
  /** How often it is looked after. */
  readonly interval: number;
}

/** Ms of the grace period, at most, in which requests that were cut off leave their traces, and spans are exported. */
const longestReserve = 2_000;

const usualReadTimeouts: ReadTimeouts = { headers: 10_000, request: 30_000, interval: 30_000 };

export interface RunningServer {
  readonly port: number;
  readonly adminPort: number;
  /** Shuts down; resolves with false where requests had to be cut off at the end of the grace period. */
  close(): Promise<boolean>;
}

/**
 * Listens for clients and for operators.
 *
 * @throws Error of the system (EADDRINUSE, EACCES) where a port cannot be had; nothing is left open then
 */
export async function startServer(served: Served, options: ServerOptions, log: Logger): Promise<RunningServer> {
  const { port, adminPort, host, adminHost, shutdownDelay, shutdownGrace, readTimeouts } = options;
  // The doors first: an operator who reads "ready" may send clients.
  const main = await listen(served.handle, served.refuse, { port, host, readTimeouts }).catch((error: unknown) => {
    served.close();
    throw error;
  });
  const adminOptions = { port: adminPort, host: adminHost };
  const admin = await listen(served.handleAdmin, refuseUnseen, adminOptions).catch(async (error: unknown) => {
    main.destroy();
    await main.drain();
    served.close();
    throw error;
  });

  // Of what follows the delay, so that requests always have most of it.
  const reserve = Math.min(longestReserve, (shutdownGrace - shutdownDelay) / 5);

  return {
    port: main.port,
    adminPort: admin.port,
    async close() {
      const closed = new AbortController();
      /** Does not keep the process alive, nor what was closed in memory. */
      const pause = (ms: number) => sleep(ms, undefined, { ref: false, signal: closed.signal });
      const finish = async (): Promise<void> => {
        await pause(shutdownDelay);
        served.endStreams();
        await main.drain();
      };
      served.drain();
      const over = pause(shutdownGrace);
      const late = pause(shutdownGrace - reserve).then(() => 'late' as const);
      const clean = (await Promise.race([finish(), late])) !== 'late';
      if (!clean) log.error('requests were cut off at the end of the grace period');
      main.destroy(new GatewayError('OVERLOADED'));
      served.close();
      // A handler that never ends takes the spans of no other request along.
      await Promise.race([served.settled(), pause(reserve / 2)]);
      await Promise.race([served.flush(), over]);
      admin.destroy();
      await admin.drain();
      closed.abort();
      return clean;
    },
  };
}

/** A listening server. */
interface Listener {
  readonly port: number;
  /** Stops accepting; resolves when the last request is answered. */
  drain(): Promise<void>;
  /** Ends every connection at once; what is given as reason is what answers under way were broken off for. */
  destroy(reason?: GatewayError): void;
}

interface ListenOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** All addresses where it is left out. */
  readonly host?: string | undefined;
  readonly readTimeouts?: ReadTimeouts | undefined;
}

/** Connections beyond these are closed at once. */
const maxConnections = 10_000;

/** Requests of one connection that wait for others to be answered before them, beyond which no more is read of it. */
const maxPipelined = 100;

/** What is remembered of a client's connection. */
interface Connection {
  /** To the request that came last. Those before it are closed once this one is. */
  answer: ServerResponse | undefined;
  /** Those that another answer has to go before. */
  readonly waiting: Set<ServerResponse>;
  /** Whether something came that cannot be read. */
  isBroken: boolean;
}

/** @throws Error of the system (EADDRINUSE, EACCES) where the port cannot be had. */
async function listen(
  handle: RequestListener,
  refuse: Refuse,
  { port, host, readTimeouts = usualReadTimeouts }: ListenOptions,
): Promise<Listener> {
  const server = createServer(
    {
      // RFC 6585: larger header fields are 431.
      maxHeaderSize: 16 * 1024,
      headersTimeout: readTimeouts.headers,
      requestTimeout: readTimeouts.request,
      connectionsCheckingInterval: readTimeouts.interval,
      // Longer than that of the load balancers in front, so that they close first.
      keepAliveTimeout: 75_000,
      // node:http would refuse such requests itself, and nobody would hear of them.
      requireHostHeader: false,
    },
    handle,
  );
  // For the same reason: of what a client expects, beside 100-continue, nothing is kept (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // What node:http itself sends ahead of an answer that waits for its turn, it sends in the middle of that answer.
  server.on('checkContinue', (request, response) => {
    const goOn = (): void => {
      if (!response.headersSent) response.writeContinue();
    };
    if (response.socket) goOn();
    else response.once('socket', goOn);
    server.emit('request', request, response);
  });
  server.maxConnections = maxConnections;
  const connections = new Map<Socket, Connection>();
  server.on('connection', (socket) => {
    const connection: Connection = { answer: undefined, waiting: new Set(), isBroken: false };
    connections.set(socket, connection);
    socket.once('close', () => {
      connections.delete(socket);
      // Node before 24 emits 'close' only for the response whose turn it is, and 24 for these a tick later. The first counts.
      for (const answer of connection.waiting) answer.emit('close');
    });
    // To read the body of a request before resumes it.
    socket.on('resume', () => {
      if (isFull(connection)) socket.pause();
    });
  });
  server.on('request', (request, response) => {
    const connection = connections.get(request.socket);
    if (!connection) return;
    connection.answer = response;
    if (response.socket) return;
    connection.waiting.add(response);
    if (isFull(connection)) request.socket.pause();
    response.once('socket', () => {
      const wasFull = isFull(connection);
      connection.waiting.delete(response);
      if (wasFull && !isFull(connection)) request.socket.resume();
    });
  });
  server.on('clientError', (error, socket) => {
    const connection = connections.get(socket as Socket);
    // After the answers of this turn, which came before.
    if (connection) setImmediate(stopReading, error, socket as Socket, connection, refuse);
    else socket.destroy();
  });
  // Left to itself, node:http closes the connection, and nobody hears of it.
  server.on('connect', (_request, socket: Socket) => {
    socket.on('error', () => undefined);
    setImmediate(() => {
      const answer = connections.get(socket)?.answer;
      if (!answer || answer.closed) refuse(Object.assign(new Error('CONNECT'), { code: tunnelRefused }), socket);
      socket.destroySoon();
    });
  });
  // To node:http any connection on which nothing has happened for a while is idle, waiting for an answer or not.
  server.on('timeout', (socket: Socket) => {
    const answer = connections.get(socket)?.answer;
    if (!answer || answer.closed || socket.writableLength > 0) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => drain(server, connections),
    destroy(reason) {
      for (const socket of connections.keys()) socket.destroy(reason);
    },
  };
}

/** Whether as much came on a connection as is read before some of it is answered. */
function isFull({ waiting }: Connection): boolean {
  return waiting.size >= maxPipelined;
}

/**
 * Does what can be done about a connection of which nothing more can be read. Answers come in the order of the requests, so
 * that one which is under way is left to end.
 */
function stopReading(error: NodeJS.ErrnoException, socket: Socket, connection: Connection, refuse: Refuse): void {
  const { answer, isBroken } = connection;
  connection.isBroken = true;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
  } else if (!answer || (answer.closed && answer.req.complete)) {
    refuse(error, socket);
  } else if (answer.closed) {
    // What cannot be read belongs to a request that has its answer.
    socket.destroySoon();
  } else if (!answer.req.complete && !answer.headersSent) {
    refuse(error, answer);
  } else if (!isBroken) {
    answer.once('close', () => {
      if (socket.writable) stopReading(error, socket, connection, refuse);
    });
  }
}

/** For the listener of operators, who are told but not counted. */
function refuseUnseen(error: NodeJS.ErrnoException, to: ServerResponse | Socket): void {
  if ('bytesRead' in to) writeRefusal(to, refusalOf(error), randomUUID());
  else to.destroy();
}

function drain(server: Server, connections: ReadonlyMap<Socket, Connection>): Promise<void> {
  const closeIdle = (): void => {
    const all = [...connections];
    // To node:http a connection is idle once its answer was handed over, though the client may not have read it.
    if (all.every(([, { answer }]) => !answer || answer.closed)) server.closeIdleConnections();
    // To node:http a connection is busy until its first request is answered, though browsers open some ahead of any.
    for (const [socket] of all) if (socket.bytesRead === 0) socket.destroy();
  };
  return new Promise((resolve) => {
    const idle = setInterval(closeIdle, 100);
    // http.Server.close would also cut off answers that are still being read.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle);
      // Now that nothing is cut off: it also ends the timer of node:http that checks connections for timeouts.
      server.close();
      resolve();
    });
    closeIdle();
  });
}
