import type { RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors';
import type { Logger } from '../telemetry/log';
import type { ConnectionGate } from './connection-gate';
import { listen, type ReadTimeouts } from './listener';
import { refuseUnrecorded } from './refuse';
import type { Refuse } from './unreadable-request';

/** What is served. */
export interface Served {
  readonly handle: RequestListener;
  /** Answers what came for {@link handle} and cannot be read. */
  readonly refuse: Refuse;
  /** Decides which connections for {@link handle} are let in; all are where it is left out. */
  readonly gate?: ConnectionGate;
  readonly handleAdmin: RequestListener;
  /** Says "not ready" from now on, and goes on serving. */
  drain(): void;
  endStreams(): void;
  close(): void;
  /** Resolves once every request that came is recorded: access line, metrics and span. */
  settled(): Promise<void>;
  /** Exports what is recorded; called last, once everything is closed and settled. */
  flush(): Promise<void>;
}

export interface ServerOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly host?: string | undefined;
  readonly adminHost?: string | undefined;
  /** Ms to go on serving while "not ready", so that load balancers notice. */
  readonly shutdownDelay: number;
  /** Ms that a shutdown takes at most, from the signal to the last export. */
  readonly shutdownGrace: number;
  readonly readTimeouts?: ReadTimeouts | undefined;
}

export interface RunningServer {
  readonly port: number;
  readonly adminPort: number;
  /** Shuts down. Resolves with false where requests were cut off at the end of the grace period. */
  close(): Promise<boolean>;
}

/** Ms at the end of the grace period, at most, that are kept for recording the requests that were cut off and exporting spans. */
const longestReserve = 2_000;

/**
 * Listens for clients and for operators.
 *
 * @throws Error of the system (EADDRINUSE, EACCES) where a port cannot be had; nothing is left open then.
 */
export async function startServer(served: Served, options: ServerOptions, log: Logger): Promise<RunningServer> {
  const { port, adminPort, host, adminHost, shutdownDelay, shutdownGrace, readTimeouts } = options;
  // The public port first: an operator who reads "ready" may send clients at once.
  const publicOptions = { port, host, gate: served.gate, readTimeouts };
  const main = await listen(served.handle, served.refuse, publicOptions).catch((error: unknown) => {
    served.close();
    throw error;
  });
  const adminOptions = { port: adminPort, host: adminHost };
  const admin = await listen(served.handleAdmin, refuseUnrecorded, adminOptions).catch(async (error: unknown) => {
    main.destroy();
    await main.drain();
    served.close();
    throw error;
  });

  // A fifth of what is left after the delay, so that requests always have most of it.
  const reserve = Math.min(longestReserve, (shutdownGrace - shutdownDelay) / 5);

  return {
    port: main.port,
    adminPort: admin.port,
    async close() {
      const closed = new AbortController();
      // Pauses keep neither the process alive nor, once it is closed, the gateway in memory.
      const pause = (ms: number) => sleep(ms, undefined, { ref: false, signal: closed.signal });
      const finish = async (): Promise<void> => {
        await pause(shutdownDelay);
        served.endStreams();
        await main.drain();
      };
      served.drain();
      // What is left then is for the last lines of the log.
      const over = pause(shutdownGrace - reserve / 10);
      const late = pause(shutdownGrace - reserve).then(() => 'late' as const);
      const clean = (await Promise.race([finish(), late])) !== 'late';
      if (!clean) log.error('requests were cut off at the end of the grace period');
      main.destroy(new GatewayError('OVERLOADED'));
      served.close();
      // A handler that never ends must not keep the spans of other requests from being exported.
      await Promise.race([served.settled(), pause(reserve / 2)]);
      await Promise.race([served.flush(), over]);
      admin.destroy();
      await admin.drain();
      closed.abort();
      return clean;
    },
  };
}
