import { relative } from 'node:path';

/** Where a problem with a proto is, and what would mend it. */
export interface ProtoProblem {
  /** From 1; left out where the problem is of no single line. */
  readonly line?: number | undefined;
  readonly fix?: string | undefined;
}

/** A proto that cannot be read, with where and why. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
  /** From 1; 0 where the problem is of no single line. */
  readonly line: number;
  readonly fix: string | undefined;

  constructor(
    /** As a person would type it. */
    readonly file: string,
    /** What is wrong, without the place. */
    readonly problem: string,
    { line = 0, fix }: ProtoProblem = {},
  ) {
    super(`${file}${line > 0 ? `:${line}` : ''}: ${problem}${fix === undefined ? '' : `\n    ${fix}`}`);
    this.line = line;
    this.fix = fix;
  }
}

/** A path as a person would type it: from where the process was started, unless that leads out of there. */
export function displayPath(path: string): string {
  const near = relative('', path);
  return near === '' || near.startsWith('..') ? path : near;
}
