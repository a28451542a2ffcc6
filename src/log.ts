import pino, { type DestinationStream } from 'pino';

/** The log: one JSON object a line. */
export type Logger = pino.Logger;

/** Levels that `LOG_LEVEL` takes, the quietest last. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Makes the log. Levels are words, so that `grep "error|panic|fatal"` finds them, and times are RFC 3339.
 *
 * @param destination - Where lines go, each as it comes; by default to standard output, by {@link LogOutput}.
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Logger {
  const log: Logger = pino(
    {
      level,
      base: { service: 'api-gateway' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'err',
    },
    destination ??
      new LogOutput(1, (lines) => log.warn({ lines }, 'lines of the log were dropped, since they were not taken')),
  );
  return log;
}

/**
 * Resolves once all that was logged is written, or cannot be. For the end of the process: nothing may be logged any more.
 */
export async function endLog(log: Logger): Promise<void> {
  await outputOf(log)?.end();
}

/** Writes what has been logged. For a process that is on its way out and waits for nothing any more. */
export function endLogAtOnce(log: Logger): void {
  outputOf(log)?.endAtOnce();
}

/** How many lines of a log were dropped, since nobody took what waited. */
export function droppedLines(log: Logger): number {
  return outputOf(log)?.droppedInAll ?? 0;
}

function outputOf(log: Logger): LogOutput | undefined {
  const stream = (log as unknown as Record<symbol, unknown>)[pino.symbols.streamSym];
  return stream instanceof LogOutput ? stream : undefined;
}

/** How pino is asked to tell of each line what it is. */
const pinoMetadata = Symbol.for('pino.metadata');

/** Characters that are written together: to write costs more than to make a line. */
const portion = 8 * 1024;
/** Ms that a line waits at most for others to be written with. */
const longestWait = 100;

/** Writes lines in portions. Those that tell of an error are written at once, and with them all before. */
export class LogOutput implements DestinationStream {
  /** To pino: say the level of each line. */
  readonly [pinoMetadata] = true;
  /** Of the line that is being written, as pino has it. */
  lastLevel = 0;
  private readonly destination: ReturnType<typeof pino.destination>;
  private pending = '';
  private timer: NodeJS.Timeout | undefined;
  private dropped = 0;
  private allDropped = 0;
  /** Whether nothing is written any more: it was ended, or whoever read the lines has left. */
  private isOver = false;

  /**
   * @param dest - A file descriptor, or the path of a file.
   * @param onDropped - Called with the number of lines that were dropped, once lines are taken again.
   * @param maxLength - Bytes that wait at most while nobody takes what is written. What comes then is dropped: the gateway
   * goes on, in bounded memory.
   */
  constructor(
    private readonly dest: number | string,
    onDropped: (lines: number) => void,
    maxLength = 16 * 1024 * 1024,
  ) {
    this.destination = pino.destination({ dest, sync: false, maxLength });
    this.destination.on('drop', (text: string) => {
      const lines = text.split('\n').length - 1;
      this.dropped += lines;
      this.allDropped += lines;
    });
    this.destination.on('drain', () => {
      const { dropped } = this;
      this.dropped = 0;
      if (dropped > 0) onDropped(dropped);
    });
    this.destination.on('error', (error: NodeJS.ErrnoException) => {
      // pino has stopped writing by then.
      if (error.code !== 'EPIPE') throw error;
      this.isOver = true;
    });
  }

  /** Lines that were dropped since the start. */
  get droppedInAll(): number {
    return this.allDropped;
  }

  write(line: string): void {
    if (this.isOver) return;
    this.pending += line;
    if (this.pending.length >= portion || this.lastLevel >= pino.levels.values['error']!) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), longestWait).unref();
  }

  /** Resolves once all is written, or cannot be. */
  end(): Promise<void> {
    if (this.isOver) return Promise.resolve();
    this.flush();
    this.isOver = true;
    return new Promise((resolve) => {
      this.destination.once('close', resolve).once('error', () => resolve());
      this.destination.end();
    });
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const lines = this.pending;
    this.pending = '';
    if (lines !== '') this.destination.write(lines);
  }

  /** Writes all that can be written without waiting for anything. */
  endAtOnce(): void {
    clearTimeout(this.timer);
    if (this.isOver || this.pending === '') return;
    this.isOver = true;
    this.destination.flushSync();
    pino.destination({ dest: this.dest, sync: true }).write(this.pending);
  }
}
