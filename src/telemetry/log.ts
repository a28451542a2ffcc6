import { write, writeSync } from 'node:fs';
import pino, { type DestinationStream } from 'pino';
import { bindingsText, metadata, streamOf } from '../internals/pino';

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
      timestamp: clock,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'err',
    },
    destination ??
      new LogOutput(1, (lines) => log.warn({ lines }, 'lines of the log were dropped, since they were not taken')),
  );
  return log;
}

/** Fields of a line, in the order in which they are written. What is undefined is left out. */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Makes what writes lines of level `info` with one message and the same few fields, as the log itself would, at a fraction of
 * its cost: names are put into JSON once.
 */
export function createLineLog(log: Logger, message: string): (fields: Fields) => void {
  const stream = streamOf(log);
  const bindings = bindingsText(log);
  const output = outputOf(log);
  const keys = new Map<string, string>();
  const keyOf = (name: string): string => {
    const known = keys.get(name);
    if (known !== undefined) return known;
    const key = `,${JSON.stringify(name)}:`;
    keys.set(name, key);
    return key;
  };
  const end = `,"msg":${JSON.stringify(message)}}\n`;
  return (fields) => {
    if (!log.isLevelEnabled('info')) return;
    let line = `{"level":"info"${clock()}${bindings}`;
    for (const name in fields) {
      const value = fields[name];
      if (value !== undefined) line += keyOf(name) + JSON.stringify(value);
    }
    if (output) output.lastLevel = pino.levels.values['info']!;
    stream.write(line + end);
  };
}

let clockTime = NaN;
let clockText = '';

/** The time as a field of a line (RFC 3339). Lines of one millisecond share its text. */
function clock(): string {
  const now = Date.now();
  if (now !== clockTime) {
    clockTime = now;
    clockText = `,"time":"${new Date(now).toISOString()}"`;
  }
  return clockText;
}

/**
 * Ends the log: nothing may be logged any more.
 *
 * @returns once all that was logged is written, or cannot be; false where somebody reads no more and the last write waits for
 * them, which would keep the process from ending too.
 */
export async function endLog(log: Logger): Promise<boolean> {
  return (await outputOf(log)?.end()) ?? true;
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
  const stream = streamOf(log);
  return stream instanceof LogOutput ? stream : undefined;
}

/** Characters that are written together: to write costs more than to make a line. */
const portion = 8 * 1024;
/** Ms that a line waits at most for others to be written with. */
const longestWait = 100;
/** Ms between two attempts where a pipe takes nothing at the moment. */
const retryInterval = 100;
/** Ms without any progress after which nobody reads the log any more, as far as the end of the process is concerned. */
const patience = 1_000;

/** A portion that is being written. */
interface Writing {
  readonly bytes: Buffer;
  /** How many of them are written. */
  done: number;
}

/**
 * Writes lines in portions. Those that tell of an error are written at once, and with them all before. Where lines cannot be
 * written (a full disk), or are not taken (a full pipe), they wait or are dropped and counted: the gateway goes on.
 */
export class LogOutput implements DestinationStream {
  /** To pino: say the level of each line. */
  readonly [metadata] = true;
  /** Of the line that is being written, as pino has it. */
  lastLevel = 0;
  /** Lines that no write has begun with. */
  private waiting = '';
  private timer: NodeJS.Timeout | undefined;
  private writing: Writing | undefined;
  /** When the write that is under way began or went on, by the monotonic clock. */
  private progress = 0;
  /** Whether a line waits that tells of an error. */
  private isUrgent = false;
  /** Whether a line broke off in the middle. */
  private isCut = false;
  private dropped = 0;
  private allDropped = 0;
  /** Whether nothing is written any more: whoever read the lines has left. */
  private isOver = false;
  private ending: Promise<boolean> | undefined;
  private progressed: (() => void) | undefined;

  /**
   * @param fd - A file descriptor. It is not closed.
   * @param onDropped - Called with the number of lines that were dropped, once lines are taken again.
   * @param maxLength - Characters that wait at most while nobody takes what is written. What comes then is dropped: the
   * gateway goes on, in bounded memory.
   */
  constructor(
    private readonly fd: number,
    private readonly onDropped: (lines: number) => void,
    private readonly maxLength = 16 * 1024 * 1024,
  ) {}

  /** Lines that were dropped since the start. */
  get droppedInAll(): number {
    return this.allDropped;
  }

  write(line: string): void {
    if (this.ending) return;
    if (this.isOver || this.waiting.length + line.length > this.maxLength) {
      this.drop(1);
      return;
    }
    this.waiting += line;
    this.isUrgent ||= this.lastLevel >= pino.levels.values['error']!;
    this.schedule();
  }

  /** Resolves once all is written, or cannot be; with false where no more is taken. */
  end(): Promise<boolean> {
    return (this.ending ??= new Promise((resolve) => {
      let giveUp: NodeJS.Timeout | undefined;
      this.progressed = () => {
        clearTimeout(giveUp);
        if (!this.writing) resolve(true);
        else giveUp = setTimeout(resolve, patience, false);
      };
      this.flush();
      this.progressed();
    }));
  }

  /** Writes all that can be written without waiting for anybody. */
  endAtOnce(): void {
    clearTimeout(this.timer);
    const isStuck = this.writing && performance.now() - this.progress > patience;
    if (this.isOver || isStuck) return;
    let left = Buffer.from(this.waiting);
    this.waiting = '';
    const end = performance.now() + patience;
    while (left.length > 0) {
      try {
        left = left.subarray(writeSync(this.fd, left));
      } catch (error) {
        if (!isFull(error) || performance.now() > end) return;
      }
    }
  }

  private schedule(): void {
    if (this.isUrgent || this.ending || this.waiting.length >= portion) this.flush();
    else if (this.waiting !== '') this.timer ??= setTimeout(() => this.flush(), longestWait).unref();
  }

  /** Begins to write what waits, unless something is being written. */
  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing || this.waiting === '') return;
    // The rest of the line that broke off is lost; the next one begins on a line of its own.
    this.writing = { bytes: Buffer.from(this.isCut ? `\n${this.waiting}` : this.waiting), done: 0 };
    this.waiting = '';
    this.isUrgent = false;
    this.progress = performance.now();
    this.goOn(this.writing);
  }

  private goOn(writing: Writing): void {
    const { bytes, done } = writing;
    write(this.fd, bytes, done, bytes.length - done, null, (error, count) => {
      if (error && isFull(error)) {
        setTimeout(() => this.goOn(writing), retryInterval).unref();
        return;
      }
      this.progress = performance.now();
      if (!error) writing.done += count;
      if (!error && writing.done < bytes.length) this.goOn(writing);
      else this.ended(writing, error);
      this.progressed?.();
    });
  }

  /** A write has come to its end, be it a bad one. */
  private ended({ bytes, done }: Writing, error: Error | null): void {
    this.writing = undefined;
    if (done > 0) this.isCut = bytes[done - 1] !== newline;
    if (!error) {
      this.tellOfDropped();
    } else if ((error as NodeJS.ErrnoException).code === 'EPIPE') {
      this.isOver = true;
      this.drop(linesIn(bytes.subarray(done)) + linesIn(Buffer.from(this.waiting)));
      this.waiting = '';
    } else {
      // A line break that comes first ends the line that broke off before, and was counted with it.
      this.drop(linesIn(bytes.subarray(Math.max(done, 1))));
    }
    this.schedule();
  }

  /** Once there is room for it. */
  private tellOfDropped(): void {
    if (this.dropped === 0 || this.waiting !== '') return;
    const { dropped } = this;
    this.dropped = 0;
    this.onDropped(dropped);
  }

  private drop(lines: number): void {
    this.dropped += lines;
    this.allDropped += lines;
  }
}

const newline = 0x0a;

/** Whether a pipe takes nothing at the moment. */
function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}

function linesIn(bytes: Buffer): number {
  return bytes.filter((byte) => byte === newline).length;
}
