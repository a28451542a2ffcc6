/** What a command prints, and the code that it exits with. */
export interface CommandResult {
  readonly exitCode: 0 | 1 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that could not run. */
export function couldNotRun(stderr: string): CommandResult {
  return { exitCode: 2, stdout: '', stderr };
}

/** Ends the process with the result of a command, or with 2 and the stack where it throws. */
export function exitWhenDone(running: Promise<CommandResult>): void {
  running.then(exitWith, (error: unknown) => exitWith(couldNotRun(`${String((error as Error)?.stack ?? error)}\n`)));
}

/** Ends the process with a result, once the output is written. */
export function exitWith({ exitCode, stdout, stderr }: CommandResult): void {
  // A reader such as head may close the pipe early.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = exitCode;
}
