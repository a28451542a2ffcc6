import { createServer, type RequestListener, type Server } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import { Connection, longestHead } from './connection';
import type { ConnectionGate } from './connection-gate';
import type { Refuse } from './unreadable-request';
import { connectRefused, maxHeaderLines } from './unreadable-request';

/** A listening server. */
export interface Listener {
  readonly port: number;
  /** Stops accepting connections; resolves once the last one is closed, each after its last response. */
  drain(): Promise<void>;
  /** Closes every connection at once. The reason becomes the error of its socket. */
  destroy(reason?: Error): void;
}

export interface ListenOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** All addresses where it is left out. */
  readonly host?: string | undefined;
  /** Decides which connections are let in; all are where it is left out. */
  readonly gate?: ConnectionGate | undefined;
  readonly readTimeouts?: ReadTimeouts | undefined;
}

/** How long requests may take to arrive, in ms. A slower one is 408. */
export interface ReadTimeouts {
  readonly headers: number;
  /** Headers and body. */
  readonly request: number;
  /** Time between two checks; a request may take longer by as much. */
  readonly interval: number;
}

const defaultReadTimeouts: ReadTimeouts = { headers: 10_000, request: 30_000, interval: 30_000 };

type Connections = ReadonlyMap<Socket, Connection>;

/**
 * Listens with node:http, and leaves no request to it that it would answer or drop by itself.
 *
 * @throws Error of the system (EADDRINUSE, EACCES) where the port cannot be had.
 */
export async function listen(
  handle: RequestListener,
  refuse: Refuse,
  { port, host, gate, readTimeouts = defaultReadTimeouts }: ListenOptions,
): Promise<Listener> {
  const server = createServer(
    {
      maxHeaderSize: longestHead,
      headersTimeout: readTimeouts.headers,
      requestTimeout: readTimeouts.request,
      connectionsCheckingInterval: readTimeouts.interval,
      // Longer than that of the load balancers in front, so that they close first.
      keepAliveTimeout: 75_000,
      // node:http would refuse such requests itself, unrecorded.
      requireHostHeader: false,
    },
    handle,
  );
  // Those beyond are dropped without a word, so one more than may be is read to be seen.
  server.maxHeadersCount = maxHeaderLines + 1;
  handleExpectations(server);
  const connections = trackConnections(server, gate);
  refuseUnreadable(server, connections, refuse);
  closeOnTimeout(server, connections);
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

/** Requests with `Expect` are requests like any other. */
function handleExpectations(server: Server): void {
  // node:http would answer 417, unrecorded. An unknown expectation may be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // For a response that waits for its turn, node:http would write 100 into the middle of the response ahead of it.
  server.on('checkContinue', (request, response) => {
    const goOn = (): void => {
      if (!response.headersSent) response.writeContinue();
    };
    if (response.socket) goOn();
    else response.once('socket', goOn);
    server.emit('request', request, response);
  });
}

function trackConnections(server: Server, gate: ConnectionGate | undefined): Connections {
  const connections = new Map<Socket, Connection>();
  server.on('connection', (socket) => {
    const connection = new Connection(socket);
    if (gate && !gate.enter(connection)) {
      socket.destroy();
      return;
    }
    connections.set(socket, connection);
    socket.once('close', () => {
      connections.delete(socket);
      gate?.leave(connection);
      connection.close();
    });
  });
  // Before the handler, whose answer may be a stream that begins at once.
  server.prependListener('request', (request, response) => connections.get(request.socket)?.add(response));
  return connections;
}

/** Refuses what node:http does not hand to the request listener. */
function refuseUnreadable(server: Server, connections: Connections, refuse: Refuse): void {
  server.on('clientError', (error, socket) => {
    const connection = connections.get(socket as Socket);
    // Replies that became ready in this turn of the event loop go out first.
    if (connection) setImmediate(() => connection.stopReading(error, refuse));
    else socket.destroy();
  });
  // node:http would close the connection, unrecorded.
  server.on('connect', (_request, socket: Socket) => {
    socket.on('error', () => undefined);
    setImmediate(() => {
      const error = Object.assign(new Error('CONNECT'), { code: connectRefused });
      if (isIdle(connections, socket)) refuse(error, socket);
      socket.destroySoon();
    });
  });
}

/** On a timeout, node:http would also close connections whose handler is still at work. */
function closeOnTimeout(server: Server, connections: Connections): void {
  server.on('timeout', (socket: Socket) => {
    if (isIdle(connections, socket) || socket.writableLength > 0) socket.destroy();
  });
}

function isIdle(connections: Connections, socket: Socket): boolean {
  return connections.get(socket)?.isIdle ?? true;
}

function drain(server: Server, connections: Connections): Promise<void> {
  const closeUnused = (): void => {
    // node:http calls a connection idle once its response was handed over, though the client may not have read it.
    if ([...connections.values()].every((connection) => connection.isIdle)) server.closeIdleConnections();
    // It calls a connection busy until its first request is answered, though browsers open some ahead of any request.
    for (const socket of connections.keys()) if (socket.bytesRead === 0) socket.destroy();
  };
  return new Promise((resolve) => {
    const timer = setInterval(closeUnused, 100);
    // http.Server.close would also cut off responses that are still being read.
    NetServer.prototype.close.call(server, () => {
      clearInterval(timer);
      // Nothing is cut off any more. This also ends the timer by which node:http checks connections for timeouts.
      server.close();
      resolve();
    });
    closeUnused();
  });
}
