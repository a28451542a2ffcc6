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
