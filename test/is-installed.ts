import { spawnSync } from 'node:child_process';

/** Debian's packages that have the commands which some tests need. */
const packages = { curl: 'curl', prometheus: 'prometheus', promtool: 'prometheus', 'redis-server': 'redis-server' };

/** Whether a command is there; says so where it is not, and that the tests with it are left out. */
export function isInstalled(command: keyof typeof packages): boolean {
  if (spawnSync(command, ['--version']).status === 0) return true;
  console.warn(
    `The tests with ${command} are SKIPPED: it is not here. Debian has it in the package ${packages[command]}.`,
  );
  return false;
}
