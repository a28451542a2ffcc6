import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import type { Logger } from '../log';

/** What is served. */
export interface Served {
  readonly handle: RequestListener;
  readonly handleAdmin: RequestListener;
  drain(): void;
  endStreams(): void;
  close(): void;
}

export interface ServerOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly host?: string | undefined;
  readonly adminHost?: string | undefined;
  /** Ms to go on serving while "not ready", so that load balancers notice. */
  readonly shutdownDelay: number;
  /** Ms that shutting down takes at most, the delay included. */
  readonly shutdownGrace: number;
}

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
  const { port, adminPort, host, adminHost, shutdownDelay, shutdownGrace } = options;
  // The doors first: an operator who reads "ready" may send clients.
  const main = await listen(served.handle, { port, host }).catch((error: unknown) => {
    served.close();
    throw error;
  });
  const admin = await listen(served.handleAdmin, { port: adminPort, host: adminHost }).catch(async (error: unknown) => {
    main.destroy();
    await main.drain();
    served.close();
    throw error;
  });

  async function finish(): Promise<void> {
    await pause(shutdownDelay);
    served.endStreams();
    await main.drain();
  }

  return {
    port: main.port,
    adminPort: admin.port,
    async close() {
      served.drain();
      const late = pause(shutdownGrace).then(() => 'late' as const);
      const clean = (await Promise.race([finish(), late])) !== 'late';
      if (!clean) log.error('requests were cut off at the end of the grace period');
      main.destroy();
      served.close();
      admin.destroy();
      await admin.drain();
      return clean;
    },
  };
}

/** A pause that alone does not keep the process alive. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

/** A listening server. */
interface Listener {
  readonly port: number;
  /** Stops accepting; resolves when the last request is answered. */
  drain(): Promise<void>;
  /** Ends every connection at once. */
  destroy(): void;
}

interface ListenOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** All addresses where it is left out. */
  readonly host?: string | undefined;
}

/** Connections beyond these are closed at once. */
const maxConnections = 10_000;

/** @throws Error of the system (EADDRINUSE, EACCES) where the port cannot be had. */
async function listen(handle: RequestListener, { port, host }: ListenOptions): Promise<Listener> {
  const server = createServer(
    {
      // RFC 6585: larger header fields are 431.
      maxHeaderSize: 16 * 1024,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      // Longer than that of the load balancers in front, so that they close first.
      keepAliveTimeout: 75_000,
    },
    handle,
  );
  server.maxConnections = maxConnections;
  server.on('clientError', refuse);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const answers = new Set<ServerResponse>();
  server.on('request', (_request, response) => {
    answers.add(response);
    response.once('close', () => answers.delete(response));
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => drain(server, sockets, answers),
    destroy: () => server.closeAllConnections(),
  };
}

function drain(server: Server, sockets: ReadonlySet<Socket>, answers: ReadonlySet<ServerResponse>): Promise<void> {
  const closeIdle = (): void => {
    // To node:http a connection is idle once its answer was handed over, though the client may not have read it.
    if (answers.size === 0) server.closeIdleConnections();
    // To node:http a connection is busy until its first request is answered, though browsers open some ahead of any.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  };
  return new Promise((resolve) => {
    const idle = setInterval(closeIdle, 100);
    // As http.Server.close, which would also cut off answers that are still being read.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle);
      resolve();
    });
    closeIdle();
  });
}

/** Requests that node:http cannot read. */
const refusals: Readonly<Record<string, { status: string; reason: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    reason: 'BAD_USER_INPUT',
    message: 'The headers are over 16 KB.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    reason: 'BAD_USER_INPUT',
    message: 'The request took too long to arrive.',
  },
};

const malformed = { status: '400 Bad Request', reason: 'BAD_USER_INPUT', message: 'This is not valid HTTP.' };

function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, reason, message } = refusals[error.code ?? ''] ?? malformed;
  const body = JSON.stringify({ error: { code: Number(status.slice(0, 3)), message, reason } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
