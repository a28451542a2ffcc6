import pino, { type DestinationStream } from 'pino';

/** The log: one JSON object a line. */
export type Logger = pino.Logger;

/** Levels that `LOG_LEVEL` takes, the quietest last. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Makes the log. Levels are words, so that `grep "error|panic|fatal"` finds them, and times are RFC 3339.
 *
 * @param destination - Where lines go; standard output by default.
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { service: 'api-gateway' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'err',
    },
    destination ?? pino.destination({ dest: 1, sync: false }),
  );
}

/**
 * Resolves once all that was logged is written, or cannot be. For the end of the process: nothing may be logged any more.
 * pino's flush resolves at once where lines are written as they come, though they may be on their way still.
 */
export function endLog(log: Logger): Promise<void> {
  const stream = (log as unknown as Record<symbol, unknown>)[pino.symbols.streamSym];
  const destination = stream as ReturnType<typeof pino.destination>;
  return new Promise((resolve) => {
    destination.once('close', resolve).once('error', () => resolve());
    destination.end();
  });
}
