/** What has to be there before anything is measured, and what is said about where it was. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { benchDir, rootDir } from './paths.mjs';

function npm(args, what) {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: rootDir, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${what} failed:\n${stdout}${stderr}`);
}

/** Installs the peers, unless they are there as the lock has them. */
export function installPeers(say) {
  const lock = readFileSync(join(benchDir, 'package-lock.json'), 'utf8');
  const stamp = join(benchDir, 'node_modules/.installed-by-bench');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('installing the peers (once; about 600 MB)');
  npm(['ci', '--prefix', benchDir, '--ignore-scripts', '--no-audit', '--no-fund'], 'installing the peers');
  writeFileSync(stamp, lock);
}

export function build(say) {
  say('building the gateway');
  npm(['run', '--silent', 'build'], 'building the gateway');
}

export function describeMachine(load) {
  const [cpu] = cpus();
  return {
    cpu: cpu.model.trim(),
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    kernel: release(),
    node: process.versions.node,
    load: load.toFixed(2),
  };
}

/** Versions of what was compared. */
export function describeVersions() {
  const names = [
    '@grpc/grpc-js',
    'graphql',
    'mercurius',
    'fastify',
    'graphql-yoga',
    '@apollo/server',
    'express',
    '@graphql-hive/gateway',
    '@omnigraph/grpc',
  ];
  const versionIn = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
  return {
    'api-gateway': versionIn(rootDir),
    ...Object.fromEntries(names.map((name) => [name, versionIn(join(benchDir, 'node_modules', name))])),
  };
}
