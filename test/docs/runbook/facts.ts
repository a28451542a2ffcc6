/** What there is that a runbook may name: asked of a running gateway, and read from the files that are applied. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { parse } from 'graphql';
import { Namespace, Service, type ReflectionObject } from 'protobufjs';
import { parse as parseYaml } from 'yaml';
import { sourceFolders } from '../../../src/config/config';
import { variables } from '../../../src/config/variables';
import { catalogue } from '../../../src/errors';
import { createUpstream } from '../../../src/grpc/create-upstream';
import { Status } from '../../../src/grpc/status';
import { loadSources } from '../../../src/schema/sources';
import { createLog } from '../../../src/telemetry/log';
import { createMetrics } from '../../../src/telemetry/metrics';
import { addresses } from '../../addresses';
import { baseObjects, readFiles } from '../../deploy/manifests/files';
import { startWorld, until, type Decoded, type LogLine, type RestAnswer, type World } from '../../gateway-fixture';

const root = join(__dirname, '../../..');
const read = remembered((path) => readFileSync(join(root, path), 'utf8'));

/** An alert of the rules. */
export interface Alert {
  readonly name: string;
  readonly priority: string;
  readonly runbookUrl: string;
}

export interface Facts {
  /** Labels of each metric, by its name; of histograms also by the names of their series. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  /** Values of labels, of all metrics. */
  readonly labelValues: ReadonlyMap<string, ReadonlySet<string>>;
  readonly alerts: readonly Alert[];
  /** Fields of log lines as paths such as `grpc.code`, by message. */
  readonly logs: ReadonlyMap<string, ReadonlySet<string>>;
  /** HTTP status by error code. */
  readonly errors: Readonly<Record<string, number>>;
  readonly grpcStatuses: ReadonlySet<string>;
  /** Names of services and methods of the protos. */
  readonly rpcs: ReadonlySet<string>;
  readonly isVariable: (name: string) => boolean;
  /** Whether something answers there, on the public listener or for operators. */
  readonly answers: (path: string) => Promise<boolean>;
  /** Of answers, and of what upstreams are called with; in lower case. */
  readonly headers: ReadonlySet<string>;
  /** Titles of the dashboard's panels. */
  readonly panels: ReadonlySet<string>;
  readonly objects: readonly Decoded[];
  /** Names of fields of {@link objects}, however deep. */
  readonly settings: ReadonlySet<string>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly read: (path: string) => string;
  readonly exists: (path: string) => boolean;
}

/** The facts, and the gateway that they are asked of. */
export interface Inquiry {
  readonly facts: Facts;
  readonly world: World;
  close(): Promise<void>;
}

/** Lets everything happen that the log tells of, and looks at it. */
export async function inquire(): Promise<Inquiry> {
  const sources = loadSources(sourceFolders({}));
  const broken = parse('query Broken @rest(method: GET, path: "/broken") { gateway { name } }');
  const metrics = createMetrics({ processMetrics: true });
  const world = await startWorld({
    // Each request asks AuthService, whose faults then show at once.
    env: { SESSION_CACHE_TTL: '0s', STREAM_REPLAY: '64KB' },
    overrides: {
      sources: { ...sources, rest: [...sources.rest, broken] },
      metrics,
      resolvers: {
        gateway: () => {
          throw new Error('a bug');
        },
      },
    },
  });
  const close = (): Promise<void> => world.close();
  try {
    const own = [...(await linesOfProcess()), ...(await linesOfBrokenServer())];
    await misbehave(world);
    return { facts: await collect(world, own), world, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A stream of REST that is read to its end, and once more from its first event on. */
async function goOn(world: World): Promise<void> {
  const ask = async (headers: Readonly<Record<string, string>>): Promise<string> => {
    const response = await fetch(`${world.url}/api/ai`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.auth.adminToken}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...headers,
      },
      body: '{"query":"count to 1"}',
    });
    return response.text();
  };
  const [, id = ''] = /^id: (.+)$/m.exec(await ask({})) ?? [];
  await ask({ 'last-event-id': id });
}

/** A bug, an upstream that fails in each way, one that is away and comes back. */
async function misbehave(world: World): Promise<void> {
  const me = (): Promise<RestAnswer> => world.rest('GET', '/api/v1/users/me');
  const failures = (code: string): LogLine[] =>
    world.logs.filter(({ grpc }) => (grpc as { readonly code: string } | undefined)?.code === code);
  await world.rest('GET', '/broken');
  await world.rest('GET', '/nowhere');
  const pages = Array.from({ length: 10 }, (_, index) => `u${index}: users(first: 100) { nodes { permissions } }`);
  await world.graphql(`{ ${pages.join(' ')} }`);
  for await (const _ of world.askStream('count to 1'));
  await goOn(world);
  world.ai.control.setFault({ method: 'ProcessQuery', code: Status.INTERNAL });
  await world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
  // A line a second at most is written about one upstream; the next one says how many there were.
  for (const code of ['INTERNAL', 'DEADLINE_EXCEEDED'] as const) {
    world.auth.control.setFault({ method: 'GetUser', code: Status[code] });
    await until(
      async () => {
        await me();
        return failures(code).length > 0;
      },
      (isTold) => isTold,
    );
  }
  world.reset();
  await world.auth.close();
  await until(
    async () => {
      await me();
      return failures('UNAVAILABLE').some(({ unlogged }) => unlogged !== undefined);
    },
    (isTold) => isTold,
  );
  await world.restartAuth();
  await until(
    () => world.logs.some(({ msg }) => msg === 'revocations of sessions are watched again'),
    (isBack) => isBack,
  );
  await until(me, ({ status }) => status === 200);
}

/** What is said of a server that does not keep to HTTP/2. */
async function linesOfBrokenServer(): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  // Settings, as every server begins with, and a window that grows by nothing.
  const frames = Buffer.from('00000004000000000000000408000000000000000000', 'hex');
  const server = createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .write(frames),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream = createUpstream({
    name: 'broken',
    address: {
      target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      transport: 'http2',
      maxItems: Infinity,
      maxCalls: Infinity,
    },
    log: createLog('info', { write: (line) => void lines.push(JSON.parse(line) as LogLine) }),
    metrics: createMetrics({ processMetrics: false }),
  });
  await until(
    () => lines.length,
    (count) => count > 0,
  );
  upstream.close();
  server.close();
  return lines;
}

/** What the process says of its own beginning and end. */
async function linesOfProcess(): Promise<LogLine[]> {
  const listen = { PORT: '0', ADMIN_PORT: '0', HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1' };
  const child = spawn(process.execPath, ['--import', 'tsx', join('src', 'main.ts')], {
    cwd: root,
    env: { ...addresses(), ...listen, PUBLIC_URL: 'http://localhost:3000', NODE_ENV: 'test' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const lines: LogLine[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const parsed = JSON.parse(line) as LogLine;
    lines.push(parsed);
    if (parsed['msg'] === 'listening') child.kill('SIGTERM');
  }
  await exit;
  return lines;
}

async function collect(world: World, own: readonly LogLine[]): Promise<Facts> {
  const rules: Decoded = parseYaml(read('monitoring/rules.yml'));
  const all: Decoded[] = rules.groups.flatMap((group: Decoded) => group.rules as Decoded[]);
  const { metrics, labelValues } = readScrape(await world.metrics());
  const objects = baseObjects(readFiles());
  for (const { record } of all) if (record !== undefined) metrics.set(record, new Set(['path']));
  return {
    metrics,
    labelValues,
    alerts: all.flatMap(({ alert, labels, annotations }) =>
      alert === undefined ? [] : [{ name: alert, priority: labels.priority, runbookUrl: annotations.runbook_url }],
    ),
    logs: fieldsByMessage([...world.logs, ...own]),
    errors: Object.fromEntries(Object.entries(catalogue).map(([code, { http }]) => [code, http])),
    grpcStatuses: new Set(Object.keys(Status).filter((name) => !/^\d/.test(name))),
    rpcs: namesOfProtos(),
    isVariable: (name) => patterns.some((pattern) => pattern.test(name)),
    headers: await headersOf(world),
    answers: remembered(async (path) => {
      const [answer, admin] = await Promise.all([fetch(`${world.url}${path}`), fetch(`${world.adminUrl}${path}`)]);
      // A body that nobody reads would keep its connection open.
      await Promise.all([answer.arrayBuffer(), admin.arrayBuffer()]);
      const { route } = await world.accessLine(answer);
      return route !== 'other' || admin.ok;
    }),
    panels: new Set(JSON.parse(read('k8s/dashboards/api-gateway.json')).panels.map(({ title }: Decoded) => title)),
    objects,
    settings: new Set(pathsOf(objects).flatMap((path) => path.split('.'))),
    scripts: JSON.parse(read('package.json')).scripts,
    read,
    exists: (path) => existsSync(join(root, path)),
  };
}

/** Asks once for each key: a runbook is checked many times against the same facts. */
function remembered<T>(ask: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const answer = known.get(key) ?? ask(key);
    known.set(key, answer);
    return answer;
  };
}

/** Names of variables, with `<UPSTREAM>` and `<NAME>` as they are written, or filled in. */
const patterns = Object.values(variables).map(
  ({ name }) => new RegExp(`^${name.replaceAll(/<(\w+)>/g, '(?:<$1>|[A-Z][A-Z0-9]*)')}$`),
);

async function headersOf(world: World): Promise<Set<string>> {
  const { headers } = await world.rest('GET', '/api/v1/users/me');
  const { metadata } = world.auth.control.calls('GetUser').at(-1)!;
  return new Set([...headers.keys(), ...Object.keys(metadata)]);
}

function readScrape(scrape: string): { metrics: Map<string, Set<string>>; labelValues: Map<string, Set<string>> } {
  const metrics = new Map<string, Set<string>>();
  const labelValues = new Map<string, Set<string>>();
  for (const [, name = ''] of scrape.matchAll(/^# TYPE (\w+)/gm)) metrics.set(name, new Set());
  for (const [, series = '', labels = ''] of scrape.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const base = series.replace(/_(?:bucket|sum|count)$/, '');
    const names = metrics.get(base) ?? metrics.get(series) ?? new Set<string>();
    metrics.set(series, names);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      names.add(label);
      labelValues.set(label, (labelValues.get(label) ?? new Set()).add(value));
    }
  }
  return { metrics, labelValues };
}

function fieldsByMessage(lines: readonly LogLine[]): Map<string, Set<string>> {
  const fields = new Map<string, Set<string>>();
  for (const line of lines) {
    const message = String(line['msg']);
    const known = fields.get(message) ?? new Set();
    for (const path of pathsOf(line)) known.add(path);
    fields.set(message, known);
  }
  return fields;
}

/** `{ grpc: { code: 1 } }` has `grpc` and `grpc.code`. */
export function pathsOf(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const path = `${prefix}${key}`;
    return [path, ...(inner !== null && typeof inner === 'object' ? pathsOf(inner, `${path}.`) : [])];
  });
}

function namesOfProtos(): Set<string> {
  const { protos } = loadSources(sourceFolders({}));
  const names = new Set<string>();
  const visit = (object: ReflectionObject): void => {
    if (object instanceof Service) {
      for (const name of [object.name, object.fullName.slice(1), ...Object.keys(object.methods)]) names.add(name);
    }
    if (object instanceof Namespace) for (const nested of object.nestedArray) visit(nested);
  };
  visit(protos);
  return names;
}
