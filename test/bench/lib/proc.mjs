/** What Linux says of a process. */
import { readFileSync, readdirSync } from 'node:fs';

/** CPU time that all threads of a process have used, user and system, in seconds. */
export function cpuSeconds(pid) {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // The scheduler's own account: nanoseconds on a CPU, where /proc/PID/stat counts in hundredths of a second.
    const [onCpu] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    nanoseconds += Number(onCpu);
  }
  return nanoseconds / 1e9;
}

/** Resident memory in MB. */
export function residentMegabytes(pid) {
  return status(pid, 'VmRSS') / 1024;
}

/** How many files and sockets a process has open. */
export function openFiles(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function status(pid, name) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  return Number.parseInt(line.slice(name.length + 1), 10);
}

/** Throws where this machine does not tell. */
export function demandLinux() {
  if (process.platform !== 'linux') throw new Error('the benchmark reads CPU time from /proc, so it needs Linux');
  if (!(cpuSeconds(process.pid) > 0)) throw new Error('this kernel does not account CPU time in /proc/PID/schedstat');
}
