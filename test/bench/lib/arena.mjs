/** The processes of a run: upstream, load generator and gateways, all on free ports of loopback, all ended with the run. */
import { fork, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { benchDir, protoDir, rootDir } from './paths.mjs';
import { publicUrl } from './workloads.mjs';

/** What `npm start` runs, without npm. */
export const startCommand = JSON.parse(readFileSync(join(rootDir, 'package.json'), 'utf8')).scripts.start.split(' ');

/** How long a process may take to be there. */
const startLimitMs = 60_000;

export class Arena {
  #children = new Map();
  #nextCommand = 1;
  #reaper = spawn(process.execPath, [join(benchDir, 'lib/reaper.mjs')], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  /** Logs and generated files; gone with the run. */
  folder = mkdtempSync(join(tmpdir(), 'gateway-bench-'));

  constructor() {
    this.#reaper.stdin.write(`dir ${this.folder}\n`);
    this.#reaper.unref();
    this.#reaper.stdin.unref();
  }

  /** Starts what every measurement needs. */
  async open() {
    this.upstream = this.#fork('upstream', join(benchDir, 'lib/upstream.mjs'), {});
    this.addresses = await this.#message(this.upstream);
    this.load = this.#fork('load', join(benchDir, 'lib/load.mjs'), {});
    await this.#message(this.load);
  }

  /** Has the load generator do something. */
  command(command, options) {
    const id = this.#nextCommand++;
    return new Promise((resolve, reject) => {
      const onMessage = (message) => {
        if (message.id !== id) return;
        settle();
        if (message.error === undefined) resolve(message.value);
        else reject(new Error(message.error));
      };
      const onExit = () => {
        settle();
        reject(new Error(`the load generator ended: ${this.logOf('load')}`));
      };
      const settle = () => this.load.off('message', onMessage).off('exit', onExit);
      this.load.on('message', onMessage).on('exit', onExit);
      this.load.send({ id, command, options });
    });
  }

  /** When the streaming calls since the last time began and ended at the upstream. */
  streamTimes() {
    this.upstream.send('streamTimes');
    return this.#message(this.upstream);
  }

  /** What the gateway is configured with. */
  ourEnvironment(env = {}) {
    return {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      ADMIN_HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      PUBLIC_URL: publicUrl,
      AUTH_SERVICE_ADDR: this.addresses.auth,
      AI_SERVICE_ADDR: this.addresses.ai,
      SHUTDOWN_DELAY: '0s',
      ...env,
    };
  }

  /** Starts the gateway as it would run in production: sessions, limits, metrics, and the access log to a file. */
  async startOurs(name = 'ours', { env, nodeOptions = [] } = {}) {
    const args = [...nodeOptions, ...startCommand.slice(1)];
    const child = this.#spawn(name, process.execPath, args, this.ourEnvironment(env), { cwd: rootDir });
    const { port, adminPort } = await this.#until(child, name, () => listeningLine(this.#path(name)));
    return { name, pid: child.pid, port, adminPort, stop: () => this.#stop(child) };
  }

  /** Starts a collector of traces. */
  async startCollector() {
    const child = this.#fork('collector', join(benchDir, 'lib/collector.mjs'), {});
    const { url } = await this.#message(child);
    return {
      url,
      /** How often it was sent something. */
      countExports: async () => {
        child.send('count');
        return (await this.#message(child)).exports;
      },
      stop: () => this.#stop(child),
    };
  }

  /** Starts a peer of `peers/`. */
  async startPeer(name) {
    if (name === 'hive') return this.#startHive();
    const child = this.#fork(name, join(benchDir, `peers/${name}.mjs`), {
      NODE_ENV: 'production',
      AUTH_SERVICE_ADDR: this.addresses.auth,
      AI_SERVICE_ADDR: this.addresses.ai,
    });
    const { port } = await this.#message(child);
    return { name, pid: child.pid, port, stop: () => this.#stop(child) };
  }

  /** Hive Gateway by its own command, over the supergraph that Mesh composes of the protos. */
  async #startHive() {
    const supergraph = join(this.folder, 'supergraph.graphql');
    const bin = (name) => join(benchDir, 'node_modules/.bin', name);
    const compose = this.#spawn(
      'mesh-compose',
      process.execPath,
      [bin('mesh-compose'), '-c', 'mesh.config.mjs', '-o', supergraph],
      { AUTH_SERVICE_ADDR: this.addresses.auth, AI_SERVICE_ADDR: this.addresses.ai, PROTO_DIR: protoDir },
      { cwd: join(benchDir, 'peers') },
    );
    const code = await new Promise((resolve) => compose.once('exit', resolve));
    if (code !== 0) throw new Error(`mesh-compose failed: ${this.logOf('mesh-compose')}`);
    const port = await freePort();
    const child = this.#spawn(
      'hive',
      process.execPath,
      [bin('hive-gateway'), 'supergraph', supergraph, '-h', '127.0.0.1', '-p', String(port), '--fork', '1', '--jit'],
      { NODE_ENV: 'production' },
      { cwd: this.folder },
    );
    await this.#until(child, 'hive', async () => (await answers(port, '/readiness')) && true);
    return { name: 'hive', pid: child.pid, port, stop: () => this.#stop(child) };
  }

  /** Starts a command that serves the gateway, and says after how many ms it was ready. It is ended at once. */
  async timeStart(command, args) {
    const [port, adminPort] = [await freePort(), await freePort()];
    const env = this.ourEnvironment({ PORT: String(port), ADMIN_PORT: String(adminPort) });
    const begin = performance.now();
    // A group of its own, since npm starts a process that starts a process.
    const child = this.#spawn('start', command, args, env, { cwd: rootDir, group: true });
    await this.#until(child, 'start', () => answers(adminPort, '/readyz'), 4);
    const took = performance.now() - begin;
    await this.#stop(child, 'SIGKILL');
    return took;
  }

  /** The last lines that a process wrote. */
  logOf(name) {
    try {
      return readFileSync(this.#path(name), 'utf8').slice(-2000);
    } catch {
      return '';
    }
  }

  /** Forgets what a process has logged, so that hours of it fit on the disk. */
  truncateLog(name) {
    truncateSync(this.#path(name), 0);
  }

  /** Ends everything. */
  async close() {
    await Promise.all([...this.#children.keys()].map((child) => this.#stop(child)));
    this.#reaper.stdin.end();
  }

  #path(name) {
    return join(this.folder, `${name}.log`);
  }

  #fork(name, file, env) {
    const output = openSync(this.#path(name), 'a');
    const child = fork(file, {
      env: { ...baseEnvironment, ...env },
      stdio: ['ignore', output, output, 'ipc'],
      serialization: 'advanced',
    });
    closeSync(output);
    return this.#keep(name, child);
  }

  #spawn(name, command, args, env, { cwd, group = false }) {
    // What another of that name has written is no concern of this one.
    writeFileSync(this.#path(name), '');
    const output = openSync(this.#path(name), 'a');
    const child = spawn(command, args, {
      cwd,
      env: { ...baseEnvironment, ...env },
      stdio: ['ignore', output, output],
      detached: group,
    });
    closeSync(output);
    return this.#keep(name, child, group);
  }

  #keep(name, child, group = false) {
    const pid = group ? -child.pid : child.pid;
    this.#children.set(child, { name, pid });
    this.#reaper.stdin.write(`+${pid}\n`);
    child.on('error', () => {});
    child.once('exit', () => {
      this.#children.delete(child);
      if (!this.#reaper.stdin.writableEnded) this.#reaper.stdin.write(`-${pid}\n`);
    });
    return child;
  }

  async #stop(child, signal = 'SIGTERM') {
    const kept = this.#children.get(child);
    if (!kept || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    signalTo(kept.pid, signal);
    const timer = setTimeout(() => signalTo(kept.pid, 'SIGKILL'), 3_000);
    await gone;
    clearTimeout(timer);
  }

  /** The first message of a forked process. */
  #message(child) {
    const { name } = this.#children.get(child);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} does not start: ${this.logOf(name)}`)), startLimitMs);
      child.once('message', (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`${name} ended with ${code}: ${this.logOf(name)}`));
      });
    });
  }

  async #until(child, name, read, pauseMs = 20) {
    for (const end = performance.now() + startLimitMs; performance.now() < end;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}: ${this.logOf(name)}`);
      }
      const value = await read();
      if (value) return value;
      await sleep(pauseMs);
    }
    throw new Error(`${name} does not start: ${this.logOf(name)}`);
  }
}

/** Nothing of the caller's own settings reaches what is measured. */
const baseEnvironment = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
);

function signalTo(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

function listeningLine(path) {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((each) => each.includes('"msg":"listening"') && each.endsWith('}'));
  return line && JSON.parse(line);
}

/** True once a path answers 200. */
function answers(port, path) {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
