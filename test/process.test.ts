import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addresses } from './addresses';
import { until, type Decoded, type LogLine } from './gateway-fixture';
import { startCollector } from './telemetry/otlp-collector';
import { startAiService, type AiService } from './upstreams/ai/service';
import { startAuthService, type AuthService } from './upstreams/auth/service';
import { freePort } from './free-ports';

const root = join(__dirname, '..');
/** A copy to build in, so that whatever else uses the working tree is left alone. */
const folder = mkdtempSync(join(tmpdir(), 'gateway-process-'));
const children: ChildProcess[] = [];
let auth: AuthService;
let ai: AiService;

beforeAll(async () => {
  for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'schema', 'proto']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const build = spawnSync('npm', ['run', 'build'], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (build.status !== 0) throw new Error(`npm run build: ${build.stdout}${build.stderr}`);
  auth = await startAuthService();
  ai = await startAiService({ authAddress: auth.address });
}, 120_000);

afterAll(async () => {
  await ai.close();
  await auth.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  for (const { control } of [auth, ai]) {
    control.clearFaults();
    control.reset();
  }
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** The gateway as a process. */
interface Run {
  readonly child: ChildProcess;
  readonly logs: readonly LogLine[];
  output(): string;
  errors(): string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Runs `npm start`'s command with these environment variables and no others. */
function run(env: Readonly<Record<string, string>>): Run {
  const child = spawn(process.execPath, [join(folder, 'dist', 'main.js')], {
    // Nothing is read from where it happens to be started.
    cwd: tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return {
    child,
    get logs() {
      const lines = output.split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line) as LogLine);
    },
    output: () => output,
    errors: () => errors,
    ended: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string),
  };
}

const variables = (): Record<string, string> => ({
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://api.example.com',
  PORT: '0',
  ADMIN_PORT: '0',
  HOST: '127.0.0.1',
  ADMIN_HOST: '127.0.0.1',
  ...addresses(),
  AUTH_SERVICE_ADDR: auth.address,
  AI_SERVICE_ADDR: ai.address,
  SHUTDOWN_DELAY: '0s',
});

/** Waits until it listens; gives where. */
async function listening(gateway: Run): Promise<{ url: string; adminUrl: string }> {
  const line = await until(
    () => gateway.logs.find(({ msg }) => msg === 'listening') ?? gateway.child.exitCode ?? undefined,
    (found) => found !== undefined,
    20_000,
  );
  if (typeof line !== 'object') throw new Error(`it ended: ${gateway.errors()}`);
  return { url: `http://127.0.0.1:${String(line['port'])}`, adminUrl: `http://127.0.0.1:${String(line['adminPort'])}` };
}

async function post(url: string, body: object): Promise<{ status: number; body: Decoded }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${auth.adminToken}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

/** Asks what is never answered; gives the call that came of it, and what the asker will fail with. */
async function askInVain(url: string) {
  ai.control.setFault({ method: 'ProcessQuery', hang: true });
  const failure = post(`${url}/api/ai`, { query: 'who am I' }).catch((error: unknown) => error);
  return { call: await ai.control.waitForCall('ProcessQuery'), failure };
}

const logged = (gateway: Run, message: string): Promise<LogLine | undefined> =>
  until(
    () => gateway.logs.find(({ msg }) => msg === message),
    (line) => line !== undefined,
  );

describe('npm run build && npm start', () => {
  test('start runs what build has made', () => {
    const { scripts }: Decoded = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(scripts['start']).toMatch(/^node (--\S+ )*dist\/main\.js$/);
  });

  test('serves GraphQL, REST and operators, configured by environment variables alone', async () => {
    const gateway = run(variables());
    const { url, adminUrl } = await listening(gateway);
    expect(
      await post(`${url}/graphql`, { query: '{ gateway { name version } me { email } users { totalCount } }' }),
    ).toEqual({
      status: 200,
      body: {
        data: {
          gateway: { name: 'api-gateway', version: expect.stringMatching(/^\d/) },
          me: { email: 'ada.admin@example.com' },
          users: { totalCount: 10 },
        },
      },
    });
    expect((await post(`${url}/api/ai`, { query: 'who am I' })).body.answer.response).toContain('Ada Admin');
    expect((await fetch(`${adminUrl}/readyz`)).status).toBe(200);
    const scrape = await (await fetch(`${adminUrl}/metrics`)).text();
    expect(scrape).toContain('http_requests_total{method="POST",path="/api/ai",status="200"} 1\n');
    // The process's own, which tests of its parts leave out.
    expect(scrape).toMatch(/^process_cpu_seconds_total \d/m);
    expect(scrape).toMatch(/^nodejs_eventloop_utilization \d/m);

    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(gateway.errors()).toBe('');
    expect(gateway.logs.map(({ msg }) => msg)).toEqual(['listening', 'request', 'request', 'shutting down', 'stopped']);
    for (const line of gateway.logs) expect(line).toMatchObject({ level: 'info', service: 'api-gateway' });
    expect(gateway.logs.at(-1)).toMatchObject({ clean: true });
  });

  test('is quiet where LOG_LEVEL says so', async () => {
    const port = await freePort();
    const gateway = run({ ...variables(), LOG_LEVEL: 'silent', PORT: String(port) });
    const answer = () =>
      post(`http://127.0.0.1:${port}/graphql`, { query: '{ gateway { name } }' }).catch(() => undefined);
    await until(answer, (found) => found?.status === 200, 20_000);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(gateway.output()).toBe('');
  });

  test('starts while its upstreams are away, and answers what needs none of them', async () => {
    const away = `127.0.0.1:${await freePort()}`;
    const gateway = run({ ...variables(), AUTH_SERVICE_ADDR: away, AI_SERVICE_ADDR: away });
    const { url, adminUrl } = await listening(gateway);
    expect((await post(`${url}/graphql`, { query: '{ gateway { name } }' })).status).toBe(200);
    expect((await post(`${url}/graphql`, { query: '{ me { id } }' })).status).toBe(503);
    expect((await fetch(`${adminUrl}/readyz`)).status).toBe(200);
  });
});

describe('the end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s finishes what runs, and exits with 0', async (signal) => {
    const gateway = run(variables());
    const { url } = await listening(gateway);
    auth.control.setFault({ method: 'GetUser', delayMs: 500 });
    const running = post(`${url}/graphql`, { query: '{ me { id } }' });
    await auth.control.waitForCall('GetUser');
    gateway.child.kill(signal);
    await logged(gateway, 'shutting down');
    expect(await running).toEqual({ status: 200, body: { data: { me: { id: 'user-ada' } } } });
    expect(await gateway.ended).toBe(0);
    expect(gateway.logs.at(-1)).toMatchObject({ msg: 'stopped', clean: true });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('comes at once with a second %s', async (signal, code) => {
    const gateway = run(variables());
    const { url } = await listening(gateway);
    const { call, failure } = await askInVain(url);
    gateway.child.kill(signal);
    await logged(gateway, 'shutting down');
    expect(gateway.child.exitCode).toBeNull();
    gateway.child.kill(signal);
    expect(await gateway.ended).toBe(code);
    expect(await failure).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    await until(
      () => call.cancelled,
      (cancelled) => cancelled,
    );
  });

  test('comes when the grace period is over, whatever still runs', async () => {
    const gateway = run({ ...variables(), SHUTDOWN_GRACE: '300ms' });
    const { url } = await listening(gateway);
    const { failure } = await askInVain(url);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(await failure).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    expect(gateway.logs.filter(({ msg }) => msg === 'stopped')).toMatchObject([{ clean: false }]);
    expect(gateway.logs.filter(({ level }) => level === 'error')).toMatchObject([
      { msg: expect.stringMatching(/cut off/) },
    ]);
  });

  test('comes within the grace period, and what it cut off is logged and exported like all before', async () => {
    const collector = await startCollector();
    try {
      const grace = 5_000;
      const gateway = run({
        ...variables(),
        SHUTDOWN_GRACE: `${grace}ms`,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        // So that none but the end exports anything.
        OTEL_BSP_SCHEDULE_DELAY: '600000',
      });
      const { url } = await listening(gateway);
      expect((await post(`${url}/graphql`, { query: '{ me { id } }' })).status).toBe(200);
      const { failure } = await askInVain(url);
      gateway.child.kill('SIGTERM');
      expect(await gateway.ended).toBe(0);
      expect(await failure).toMatchObject({ name: 'TypeError', message: 'fetch failed' });

      const [asked, stopped] = ['shutting down', 'stopped'].map((text) =>
        Date.parse(String(gateway.logs.find(({ msg }) => msg === text)?.['time'])),
      );
      expect(stopped! - asked!).toBeLessThan(grace);
      const requests = gateway.logs.filter(({ msg }) => msg === 'request');
      expect(requests).toMatchObject([
        { route: '/graphql', status: 200 },
        { route: '/api/ai', status: 503, code: 'OVERLOADED' },
      ]);
      const [answered, cutOff] = requests.map(({ traceId }) =>
        collector.spans.filter((span) => span.traceId === traceId).map(({ name, isError }) => ({ name, isError })),
      );
      expect(answered).toContainEqual({ name: 'POST /graphql', isError: false });
      expect(answered).toContainEqual({ name: 'auth.v1.AuthService/GetUser', isError: false });
      expect(cutOff).toContainEqual({ name: 'POST /api/ai', isError: true });
      expect(cutOff).toContainEqual({ name: 'mutation', isError: true });
      expect(cutOff).toContainEqual({ name: 'ai.v1.AIService/ProcessQuery', isError: expect.any(Boolean) });
      const server = collector.spans.find(({ name }) => name === 'POST /api/ai');
      expect(server?.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': 'OVERLOADED' });
    } finally {
      await collector.close();
    }
  });
});

/** Runs with code of the test's own that is loaded before. */
function runWith(script: string, env: Record<string, string>): Run {
  const file = join(mkdtempSync(join(folder, 'script-')), 'script.cjs');
  writeFileSync(file, script);
  return run({ ...env, NODE_OPTIONS: `--require=${file}` });
}

describe('a crash', () => {
  test.each([
    ['a throw', 'throw new Error("made to crash")'],
    ['a rejection', 'Promise.reject(new Error("made to crash"))'],
  ])('by %s is the last line of the log, and fatal', async (_how, crash) => {
    const gateway = runWith(`process.on('SIGUSR2', () => { ${crash} })`, variables());
    const { url } = await listening(gateway);
    await post(`${url}/graphql`, { query: '{ gateway { name } }' });
    gateway.child.kill('SIGUSR2');
    expect(await gateway.ended).toBe(1);
    expect(gateway.logs.map(({ msg }) => msg)).toEqual(['listening', 'request', 'uncaught exception']);
    expect(gateway.logs.at(-1)).toMatchObject({
      level: 'fatal',
      service: 'api-gateway',
      err: { message: 'made to crash', stack: expect.stringContaining('script.cjs') },
    });
    expect(gateway.errors()).toBe('');
  });

  test('by a rejection with an error that has no stack keeps its message', async () => {
    const crash = `Promise.reject(Object.create(Error.prototype, { message: { value: 'made to crash' } }))`;
    const gateway = runWith(`process.on('SIGUSR2', () => { ${crash} })`, variables());
    await listening(gateway);
    gateway.child.kill('SIGUSR2');
    expect(await gateway.ended).toBe(1);
    expect(gateway.logs.at(-1)).toMatchObject({ level: 'fatal', err: { message: 'made to crash' } });
  });
});

describe('tracing', () => {
  /** Says at the end which packages were loaded. */
  const tellPackages = `process.on('exit', () => {
    const names = Object.keys(require.cache).map((path) => /.*node_modules.((?:@[^/]+.)?[^/]+)/.exec(path)?.[1]);
    process.stderr.write([...new Set(names)].join(' '));
  })`;

  test('takes no package where it is off', async () => {
    const gateway = runWith(tellPackages, variables());
    const { url } = await listening(gateway);
    await post(`${url}/graphql`, { query: '{ me { id } }' });
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    const packages = gateway.errors().split(' ');
    expect(packages).toContain('pino');
    // prom-client brings along the interface, which does nothing by itself.
    expect(packages.filter((name) => name.startsWith('@opentelemetry/'))).toEqual(['@opentelemetry/api']);
  });

  test('exports what it has when it is told to end', async () => {
    const collector = await startCollector();
    try {
      const gateway = runWith(tellPackages, { ...variables(), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
      const { url } = await listening(gateway);
      expect((await post(`${url}/graphql`, { query: '{ me { id } }' })).status).toBe(200);
      expect(collector.requests).toEqual([]);
      gateway.child.kill('SIGTERM');
      expect(await gateway.ended).toBe(0);
      expect(collector.spans.map(({ name }) => name)).toContain('POST /graphql');
      expect(gateway.errors()).toContain('@opentelemetry/sdk-trace');
      expect(gateway.logs.map(({ level }) => level)).not.toContain('warn');
    } finally {
      await collector.close();
    }
  });
});

describe('what it cannot start with', () => {
  /** What it says to whoever started it. */
  async function refusal(env: Record<string, string>): Promise<string> {
    const gateway = run(env);
    expect(await gateway.ended).toBe(1);
    const errors = gateway.errors();
    expect(errors).toMatch(/^api-gateway cannot start: /);
    expect(errors).not.toMatch(/\n {4}at /);
    // And the same to whoever watches the log.
    const [line, ...more] = gateway.logs;
    expect(more).toEqual([]);
    expect(line).toMatchObject({ level: 'fatal', service: 'api-gateway', msg: 'api-gateway cannot start' });
    expect(`api-gateway cannot start: ${(line!['reason'] as string[]).join('\n')}\n`).toBe(errors);
    return errors;
  }

  test('variables that are missing are all told at once', async () => {
    const errors = await refusal({});
    for (const name of ['PUBLIC_URL', 'AUTH_SERVICE_ADDR', 'AI_SERVICE_ADDR']) {
      expect(errors).toMatch(new RegExp(`^ {2}${name} is not set; give .+`, 'm'));
    }
  });

  test('variables that are wrong are all told at once, with what would be right', async () => {
    const errors = await refusal({
      ...variables(),
      NODE_ENV: 'prod',
      PORT: 'http',
      PUBLIC_URL: 'example.com',
      AUTH_SERVICE_ADDR: 'auth',
      REQUEST_TIMEOUT: '30',
      LOG_LEVEL: 'loud',
      SSO_PROVIDERS: 'dev',
      SESSION_SECRET: 'short-and-secret',
    });
    for (const name of [
      'NODE_ENV',
      'PORT',
      'PUBLIC_URL',
      'AUTH_SERVICE_ADDR',
      'REQUEST_TIMEOUT',
      'LOG_LEVEL',
      'SSO_DEV_ISSUER',
      'SSO_DEV_CLIENT_ID',
      'SESSION_SECRET',
    ]) {
      expect(errors).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    }
    expect(errors).not.toContain('short-and-secret');
  });

  test('a schema that does not say who may ask is told with file, line and field', async () => {
    const schema = mkdtempSync(join(folder, 'schema-'));
    cpSync(join(folder, 'schema', 'auth.graphql'), join(schema, 'auth.graphql'));
    cpSync(join(folder, 'schema', 'ai.graphql'), join(schema, 'ai.graphql'));
    writeFileSync(join(schema, 'more.graphql'), 'extend type Query {\n  open: Boolean @resolver(name: "gateway")\n}\n');
    const errors = await refusal({ ...variables(), SCHEMA_DIR: schema });
    expect(errors).toMatch(/more\.graphql:2:3: Query\.open does not say who may ask for it/);
  });

  test('a schema that cannot be read is told together with variables that are wrong', async () => {
    const schema = mkdtempSync(join(folder, 'schema-'));
    writeFileSync(join(schema, 'broken.graphql'), 'type Query {\n  me: User\n');
    const errors = await refusal({ ...variables(), SCHEMA_DIR: schema, PORT: 'http' });
    expect(errors).toMatch(/broken\.graphql:\d+:\d+: Syntax Error/);
    expect(errors).toMatch(/^ {2}PORT/m);
  });

  test('folders that are not there are told', async () => {
    mkdirSync(join(folder, 'empty'));
    const [schema, proto, empty] = await Promise.all([
      refusal({ ...variables(), SCHEMA_DIR: join(folder, 'no-schema') }),
      refusal({ ...variables(), PROTO_DIR: join(folder, 'no-proto') }),
      refusal({ ...variables(), SCHEMA_DIR: join(folder, 'empty') }),
    ]);
    expect(schema).toContain('no-schema');
    expect(proto).toContain('no-proto');
    expect(empty).toContain('there is no .graphql file');
  });

  test.each(['PORT', 'ADMIN_PORT'])('a %s that is taken is told by its number and the variable', async (name) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    try {
      const errors = await refusal({ ...variables(), [name]: port });
      expect(errors).toContain('address already in use');
      expect(errors).toContain(port);
      expect(errors).toMatch(new RegExp(`\\b${name}\\b`));
    } finally {
      other.close();
      await once(other, 'close');
    }
  });
});
