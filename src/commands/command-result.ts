/** What a command prints, and the code that it exits with. */
export interface CommandResult {
  readonly exitCode: 0 | 1 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ends the process with a result, once the output is written. */
export function exitWith({ exitCode, stdout, stderr }: CommandResult): void {
  // Whoever reads may have had enough, as head does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = exitCode;
}
