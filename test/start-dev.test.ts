import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addresses } from './addresses';
import { until, type Decoded } from './gateway-fixture';
import { freePorts } from './free-ports';

const root = join(__dirname, '..');
const patience = 60_000;

/** A copy of the working tree, so that its files can be changed without anybody else noticing. */
const folder = mkdtempSync(join(tmpdir(), 'gateway-dev-'));
const portNames = ['PORT', 'ADMIN_PORT', 'DEV_AUTH_PORT', 'DEV_AI_PORT', 'DEV_IDP_PORT'] as const;
let ports: Record<(typeof portNames)[number], number>;
let npm: ChildProcess;
let output = '';
let ended: Promise<unknown>;

beforeAll(async () => {
  for (const name of ['package.json', 'tsconfig.json', 'src', 'schema', 'proto', 'test/upstreams', 'README.md']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const found = await freePorts(portNames.length);
  ports = Object.fromEntries(portNames.map((name, index) => [name, found[index]])) as typeof ports;
  // It sets those of its own services itself.
  const { AUTH_SERVICE_ADDR: _auth, AI_SERVICE_ADDR: _ai, ...others } = addresses();
  npm = spawn('npm', ['run', 'start:dev'], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ...others,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, as a terminal makes it: Ctrl-C reaches all of the group.
    detached: true,
  });
  ended = once(npm, 'close');
  for (const stream of [npm.stdout, npm.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await said(/^DEV_MEMBER_TOKEN=\S+$/m);
}, patience);

afterAll(async () => {
  // Nothing of it stays, even where a test has failed.
  const left = [...descendants(npm.pid ?? 0), ...(npm.exitCode === null && npm.pid ? [npm.pid] : [])];
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
  await ended;
  rmSync(folder, { recursive: true });
}, patience);

/** Waits until the output has it. */
async function said(what: RegExp, after = 0): Promise<string> {
  const find = (): string | undefined => what.exec(output.slice(after))?.[0];
  const over = (): boolean => npm.exitCode !== null;
  const found = await until(find, (text) => text !== undefined || over(), patience).catch(() => undefined);
  if (found === undefined) throw new Error(`it never said ${String(what)}:\n${output}`);
  return found;
}

const tokenOf = (name: string): string => new RegExp(`^${name}=(\\S+)$`, 'm').exec(output)?.[1] ?? '';

/** As the curl that is printed does it. */
async function ask(query: string, token?: string): Promise<{ status: number; body: Decoded } | undefined> {
  try {
    const response = await fetch(`http://localhost:${ports.PORT}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query }),
    });
    return { status: response.status, body: await response.json() };
  } catch {
    // Nobody listens: it is starting again.
    return undefined;
  }
}

test('says where to go, and gives two tokens', () => {
  expect(output).toContain(`http://localhost:${ports.PORT}/graphql`);
  expect(output).toContain(`http://localhost:${ports.PORT}/api/v1/auth/dev/login`);
  expect(output).toContain(`http://localhost:${ports.ADMIN_PORT}/metrics`);
  expect(tokenOf('DEV_ADMIN_TOKEN')).toMatch(/^[\w-]{43}$/);
  expect(tokenOf('DEV_MEMBER_TOKEN')).toMatch(/^[\w-]{43}$/);
  expect(output.match(/^DEV_ADMIN_TOKEN=/gm)).toHaveLength(1);
});

test('answers the admin, the member and anybody as each of them may ask', async () => {
  const query = '{ me { id email } users(first: 2) { edges { node { email status } } } }';
  const admin = await ask(query, tokenOf('DEV_ADMIN_TOKEN'));
  expect(admin).toMatchObject({ status: 200, body: { data: { me: { email: 'ada.admin@example.com' } } } });
  expect(admin?.body.data.users.edges).toHaveLength(2);
  const member = await ask(query, tokenOf('DEV_MEMBER_TOKEN'));
  expect(member).toMatchObject({
    status: 200,
    body: {
      data: { me: { email: 'mel.member@example.com' }, users: null },
      errors: [{ path: ['users'], extensions: { code: 'FORBIDDEN' } }],
    },
  });
  const nobody = await ask(query);
  expect(nobody).toMatchObject({ status: 401, body: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }, {}] } });
  expect(await ask('{ gateway { name } }')).toEqual({
    status: 200,
    body: { data: { gateway: { name: 'api-gateway' } } },
  });
});

test('runs the assistant', async () => {
  const asked = await ask(
    'mutation { ask(input: { query: "who am I" }) { answer { response } } }',
    tokenOf('DEV_ADMIN_TOKEN'),
  );
  expect(asked?.body.data.ask.answer.response).toContain('Ada Admin');
});

test('sends browsers to the identity provider to sign in', async () => {
  const login = await fetch(`http://localhost:${ports.PORT}/api/v1/auth/dev/login`, { redirect: 'manual' });
  expect(login.status).toBe(302);
  const location = login.headers.get('location') ?? '';
  expect(location).toMatch(new RegExp(`^http://localhost:${ports.DEV_IDP_PORT}/`));
  // It knows the client, and goes on to its sign-in page.
  const provider = await fetch(location, { redirect: 'manual' });
  expect(provider.status).toBe(303);
  expect(provider.headers.get('location')).not.toContain('error');
  await provider.body?.cancel();
});

test('opens GraphiQL', async () => {
  const page = await fetch(`http://localhost:${ports.PORT}/graphql`, { headers: { accept: 'text/html' } });
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('/api/v1/auth/dev/login');
});

test(
  'a change starts the gateway again, and it alone',
  async () => {
    const file = join(folder, 'schema', 'gateway.graphql');
    const before = readFileSync(file, 'utf8');
    expect((await ask('{ again { name } }'))?.status).toBe(400);
    writeFileSync(file, `${before}\nextend type Query {\n  again: Gateway! @public @resolver(name: "gateway")\n}\n`);
    await until(
      () => ask('{ again { name } }'),
      (answer) => answer?.status === 200,
      patience,
    );
    // AuthService has kept its sessions.
    expect(await ask('{ me { id } }', tokenOf('DEV_ADMIN_TOKEN'))).toMatchObject({
      body: { data: { me: { id: 'user-ada' } } },
    });
  },
  patience,
);

test(
  'a mistake is told, and mending it starts the gateway again',
  async () => {
    const file = join(folder, 'schema', 'gateway.graphql');
    const before = readFileSync(file, 'utf8');
    const sofar = output.length;
    writeFileSync(file, before.replaceAll('@public', ''));
    await said(/does not say who may ask for it/, sofar);
    await said(/the gateway has ended \(exit code 1\)/, sofar);
    writeFileSync(file, before);
    await until(
      () => ask('{ again { name } }'),
      (answer) => answer?.status === 200,
      patience,
    );
  },
  patience,
);

test(
  'Ctrl-C ends everything: no process stays, and every port is free',
  async () => {
    const pids = descendants(npm.pid ?? 0);
    // At least the gateway and three services, below npm and what runs the script.
    expect(pids.length).toBeGreaterThanOrEqual(5);
    process.kill(-(npm.pid ?? 0), 'SIGINT');
    await ended;
    await until(
      () => runningOf(pids),
      (running) => running.length === 0,
      patience,
    );
    for (const port of Object.values(ports)) {
      const server = createServer().listen(port);
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
    }
    expect(output).not.toMatch(/^\s+at /m);
  },
  patience,
);

interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
}

/** Everything that runs on this machine; what has ended and only waits to be noticed does not count. */
function processes(): ProcessInfo[] {
  const lines = existsSync('/proc/self/stat') ? fromProc() : fromPs();
  return lines.filter(({ state }) => !state.startsWith('Z')).map(({ pid, parent }) => ({ pid, parent }));
}

function fromProc() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The name of the command is in parentheses, and may have some itself.
        const [state = '', parent = ''] = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
        return [{ pid: Number(name), parent: Number(parent), state }];
      } catch {
        // It has just ended.
        return [];
      }
    });
}

function fromPs() {
  const { stdout } = spawnSync('ps', ['-axo', 'pid=,ppid=,stat='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state = ''] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), state };
    });
}

/** Children, and theirs. */
function descendants(pid: number): number[] {
  const all = processes();
  const below = (parent: number): number[] =>
    all.flatMap((each) => (each.parent === parent ? [each.pid, ...below(each.pid)] : []));
  return pid === 0 ? [] : below(pid);
}

function runningOf(pids: readonly number[]): number[] {
  const running = new Set(processes().map(({ pid }) => pid));
  return pids.filter((pid) => running.has(pid));
}
