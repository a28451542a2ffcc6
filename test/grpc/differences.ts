import { variant, type Variant } from '../variant';

/** In what the transports differ: the rows of the table in docs/decisions/transport.md, which a test holds against these. */
export const differences = [
  'words',
  'odd status',
  'no status',
  'cut off',
  'compression',
  'messages before a failure',
  'failing connection',
  'waiting for a stream',
  'reconnecting',
  'balancing',
  'a call that times out',
  'connect timeout',
  'too many pings',
  'floods',
  'DNS',
  'SNI',
] as const;

export type Difference = (typeof differences)[number];

type Transport = Variant['transport'];

/** What is right for the transport of this run. */
export function byTransport<T>(_difference: Difference, expected: Readonly<Record<Transport, T>>): T {
  return expected[variant.transport];
}

/** Defines tests for one transport alone. */
export function only(transport: Transport, _difference: Difference, define: () => void): void {
  if (variant.transport === transport) define();
}

/**
 * An outcome, `STATUS: details`, whose details are the transport's own, since no server has sent them: grpc-js may say it in
 * other words.
 */
export function worded(outcome: string): unknown {
  const [status] = outcome.split(':', 1);
  const anyWords: unknown = expect.stringMatching(new RegExp(`^${status}: .`));
  return byTransport<unknown>('words', { http2: outcome, 'grpc-js': anyWords });
}
