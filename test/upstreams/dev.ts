/** Development only. `npm run start:dev`: the gateway with reload, and everything behind it, on one machine. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild, type Child } from './child';
import { readDevSettings, type DevSettings } from './dev-settings';
import { watchTree } from './watch-tree';

const root = join(__dirname, '../..');
/** What the gateway is made of: a change here restarts it. */
const watched = ['src', 'schema', 'proto'];
const watchedFiles = /\.(ts|json|graphql|proto)$/;
/** Editors write a file in several steps, and many files at once. */
const debounceMs = 200;
const readyPollMs = 100;
/** A terminal and npm may both pass on one Ctrl-C; what comes this soon is not a second one. */
const sameSignalMs = 500;

const upstreams = [
  { name: 'idp', entry: 'idp/main.ts' },
  { name: 'auth', entry: 'auth/main.ts' },
  { name: 'ai', entry: 'ai/main.ts' },
] as const;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Everything that runs, and how it ends. */
class Stage {
  readonly #settings: DevSettings;
  readonly #upstreams = new Map<string, Child>();
  #gateway: Child | undefined;
  #restarting = false;
  #changed: string | undefined;
  #stoppedAt: number | undefined;

  constructor(settings: DevSettings) {
    this.#settings = settings;
  }

  get isStopping(): boolean {
    return this.#stoppedAt !== undefined;
  }

  /** Starts all processes at once. Resolves when the upstreams listen and the gateway is ready. */
  async start(): Promise<void> {
    this.#startGateway();
    const listening = upstreams.map(
      ({ name, entry }) => new Promise<void>((go) => this.#startUpstream(name, entry, go)),
    );
    await Promise.all([...listening, this.#gatewayIsReady()]);
  }

  /** Restarts the gateway because of a change. Further changes on the way lead to one more restart. */
  async restartGateway(file: string): Promise<void> {
    this.#changed = file;
    if (this.#restarting) return;
    this.#restarting = true;
    while (this.#changed !== undefined && this.#stoppedAt === undefined) {
      print(`start:dev | ${this.#changed} has changed, the gateway starts again`);
      this.#changed = undefined;
      await this.#gateway?.end();
      if (this.#stoppedAt === undefined) this.#startGateway();
    }
    this.#restarting = false;
  }

  /** Ends everything; asked a second time, at once. Then ends this process. */
  async stop(): Promise<void> {
    const children = [...this.#upstreams.values(), ...(this.#gateway ? [this.#gateway] : [])];
    if (this.#stoppedAt !== undefined) {
      if (performance.now() - this.#stoppedAt > sameSignalMs) for (const child of children) child.kill();
      return;
    }
    this.#stoppedAt = performance.now();
    await Promise.all(children.map((child) => child.end()));
    process.exit(0);
  }

  #startUpstream(name: string, entry: string, onListening: () => void): void {
    const onLine = (line: string) => {
      // The tokens are told at the end, where they are found again.
      if (!/^DEV_\w+_TOKEN=/.test(line)) print(`${name} | ${line}`);
    };
    const onEnd = (how: string) => this.#reportUpstreamEnd(name, how);
    this.#upstreams.set(name, startChild({ entry, env: this.#settings.env, onLine, onListening, onEnd }));
  }

  #reportUpstreamEnd(name: string, how: string): void {
    this.#upstreams.delete(name);
    if (this.#stoppedAt !== undefined) return;
    print(`start:dev | ${name} has ended (${how}). To start it again, in another terminal:`);
    print(`  ${restartCommand(name, this.#settings)}`);
  }

  #startGateway(): void {
    const gateway = startChild({
      entry: 'gateway-child.ts',
      env: this.#settings.env,
      onEnd: (how) => this.#reportGatewayEnd(gateway, how),
    });
    this.#gateway = gateway;
  }

  #reportGatewayEnd(gateway: Child, how: string): void {
    if (this.#gateway === gateway) this.#gateway = undefined;
    if (this.#restarting || this.#stoppedAt !== undefined) return;
    print(
      `start:dev | the gateway has ended (${how}). It starts again when ${watched.join(', ')} change; other variables take a new start:dev.`,
    );
  }

  async #gatewayIsReady(): Promise<void> {
    const url = `http://127.0.0.1:${this.#settings.ports.ADMIN_PORT}/readyz`;
    while (this.#stoppedAt === undefined) {
      const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return;
      await sleep(readyPollMs);
    }
  }
}

/** With the tokens that were printed, and with the ports that were moved. */
function restartCommand(name: string, { ports, adminToken, memberToken, env }: DevSettings): string {
  const { PORT, DEV_AUTH_PORT, DEV_AI_PORT, DEV_IDP_PORT } = ports;
  const issuer = env['SSO_DEV_ISSUER'];
  const variables: Record<string, Record<string, unknown>> = {
    idp: { DEV_IDP_PORT, DEV_AUTH_PORT, PORT, PUBLIC_URL: env['PUBLIC_URL'] },
    auth: { DEV_AUTH_PORT, SSO_DEV_ISSUER: issuer, DEV_ADMIN_TOKEN: adminToken, DEV_MEMBER_TOKEN: memberToken },
    ai: { DEV_AI_PORT, DEV_AUTH_PORT },
  };
  const assignments = Object.entries(variables[name] ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  return [...assignments, `npm run dev:${name}`].join(' ');
}

function watchFiles(onChange: (file: string) => void): void {
  let timer: NodeJS.Timeout | undefined;
  const notice = (path: string) => {
    if (!watchedFiles.test(path)) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(relative(root, path)), debounceMs);
  };
  for (const folder of watched) {
    if (!existsSync(join(root, folder))) continue;
    try {
      watchTree(join(root, folder), notice);
    } catch (error) {
      // Systems limit how much may be watched, and everything else works without.
      print(`start:dev | changes in ${folder} go unnoticed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function describe({ ports, publicUrl, adminToken, memberToken }: DevSettings): string {
  return `
api-gateway is running for development.

  GraphiQL  ${publicUrl}/graphql
  REST      ${publicUrl}/api/docs
  Sign in   ${publicUrl}/api/v1/auth/dev/login
  Metrics   http://localhost:${ports.ADMIN_PORT}/metrics

DEV_ADMIN_TOKEN=${adminToken}
DEV_MEMBER_TOKEN=${memberToken}

curl ${publicUrl}/graphql -H 'Authorization: Bearer ${adminToken}' -H 'Content-Type: application/json' -d '{"query":"{ me { id email } users(first: 2) { edges { node { email status } } } }"}'

A change in ${watched.join(', ')} restarts the gateway. Ctrl-C ends everything.
`;
}

async function main(): Promise<void> {
  const settings = await readDevSettings(process.env);
  if ('problems' in settings) {
    process.stderr.write(`start:dev cannot begin:\n${settings.problems.map((problem) => `- ${problem}\n`).join('')}`);
    process.exit(1);
  }
  const stage = new Stage(settings);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stage.stop());
  // tsx runs this file in a child process of its own, and its end is the end of everything, too.
  process.on('disconnect', () => void stage.stop());
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  watchFiles((file) => void stage.restartGateway(file));
  await stage.start();
  if (!stage.isStopping) print(describe(settings));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
