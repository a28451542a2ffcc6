/**
 * Ends what the benchmark has started when the benchmark itself is gone, however it went: the pipe from it then closes.
 * Lines are `+PID`, `-PID` and `dir PATH`; a negative PID is a group of processes.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const pids = new Set();
const folders = [];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line.startsWith('+')) pids.add(Number(line.slice(1)));
    else if (line.startsWith('dir ')) folders.push(line.slice(4));
    else pids.delete(Number(line.slice(1)));
  })
  .on('close', () => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It is gone already.
      }
    }
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
