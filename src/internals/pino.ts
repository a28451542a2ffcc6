/** What the gateway needs of pino beyond its documented surface. test/internals/pino.test.ts covers each. */
import pino, { type DestinationStream, type Logger } from 'pino';

/** What pino keeps under its symbols, which it documents for those who build on it, and does not type. */
interface Internals {
  readonly [pino.symbols.streamSym]: DestinationStream;
  readonly [pino.symbols.chindingsSym]: string;
}

function internalsOf(log: Logger): Internals {
  // The declared type of a logger has no symbols.
  return log as unknown as Internals;
}

/** Where a logger writes. There is no getter. */
export function streamOf(log: Logger): DestinationStream {
  return internalsOf(log)[pino.symbols.streamSym];
}

/** The fields that all lines of a logger have, as they are written. `bindings()` parses them. */
export function bindingsText(log: Logger): string {
  return internalsOf(log)[pino.symbols.chindingsSym];
}

/** Where a stream has this property, pino sets its `lastLevel` before each line. Its types do not export the symbol. */
export const metadata: unique symbol = Symbol.for('pino.metadata');
