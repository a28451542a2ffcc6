/** Clients that others' generators make of the served document: they compile, and work against the gateway. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { startWorld, type World } from '../gateway-fixture';

jest.setTimeout(90_000);

const root = join(__dirname, '../..');

/** Runs a file of JavaScript with Node. */
async function run(file: string, args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(process.execPath, [file, ...args], { cwd: root, maxBuffer: 20_000_000 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** Where programs are generated, compiled and bundled; packages are those of the project. */
let folder: string;
let world: World;
/** What tsc says, by file. */
let mistakes: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'generated-clients-'));
  cpSync(join(__dirname, 'generated-clients'), folder, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  // One route more, so that there is one that answers nothing.
  const schema = join(folder, 'schema');
  cpSync(join(root, 'schema'), schema, { recursive: true });
  writeFileSync(
    join(schema, 'rest/session.graphql'),
    'mutation EndSession @rest(method: POST, path: "/session/end", status: 204) { logout }',
  );
  world = await startWorld({ env: { SCHEMA_DIR: schema } });
  const document = await fetch(`${world.url}/api/openapi.json`).then((response) => response.text());
  await Promise.all([generateTypes(document), generateFunctions(document)]);
  for (const [name, program] of Object.entries(wrong)) writeFileSync(join(folder, name), program);
  mistakes = await compile();
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** openapi-typescript uses the interface of TypeScript 5, which TypeScript 7 does not have. oazapfts brings one along. */
async function generateTypes(document: string): Promise<void> {
  const typescript = dirname(require.resolve('typescript/package.json', { paths: [require.resolve('oazapfts')] }));
  const generator = await bundle('generate-types.ts', `--alias:typescript=${typescript}`);
  writeFileSync(join(folder, 'types.d.ts'), await run(generator, [], document));
}

async function generateFunctions(document: string): Promise<void> {
  const input = join(folder, 'document.json');
  writeFileSync(input, document);
  const generator = join(dirname(require.resolve('oazapfts')), 'cli.js');
  await run(generator, [input, join(folder, 'functions.ts')]);
}

/** One file of JavaScript, with all that it imports. esbuild runs apart: it does not work within Jest's globals. */
async function bundle(file: string, ...options: readonly string[]): Promise<string> {
  const output = join(folder, file.replace(/\.ts$/, '.cjs'));
  await promisify(execFile)(
    join(root, 'node_modules/.bin/esbuild'),
    [join(folder, file), '--bundle', '--platform=node', `--outfile=${output}`, '--log-level=error', ...options],
    { cwd: root },
  );
  return output;
}

/** Has tsc look at every program. */
async function compile(): Promise<Map<string, string[]>> {
  const files = [...Object.keys(wrong), ...Object.keys(programs)];
  const options = {
    rootDir: '.',
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    // What oazapfts makes is not written for it.
    exactOptionalPropertyTypes: false,
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: options, include: [], exclude: [], files }),
  );
  const running = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], {
    cwd: folder,
  });
  const { stdout } = await running.catch((error: { readonly stdout: string }) => error);
  const found = new Map<string, string[]>();
  // What explains an error follows it, further to the right.
  for (const error of stdout.split(/\n(?=\S)/)) {
    const [, file, message = ''] = /^(\S+)\(\d+,\d+\): error (.*)$/s.exec(error) ?? [];
    if (file !== undefined) found.set(file, [...(found.get(file) ?? []), message]);
  }
  return found;
}

/** Programs with one mistake each. */
const wrong: Readonly<Record<string, string>> = {
  'wrong-path.ts': byTypes("void client.GET('/api/v1/user', {});"),
  'wrong-parameter.ts': byTypes("void client.GET('/api/v1/users', { params: { query: { pageSize: 'two' } } });"),
  // openapi-fetch takes its options by a type parameter, where TypeScript lets members be that there are not.
  'wrong-member.ts': byTypes(
    "void client.POST('/api/v1/users/invite', { body: { email: 'a@b.example', roles: 'x' } });",
  ),
  'missing-member.ts': byTypes("void client.POST('/api/v1/users/invite', { body: { displayName: 'A' } });"),
  'wrong-field.ts': byTypes("void client.GET('/api/v1/users/me').then(({ data }) => data?.mail);"),
  'wrong-null.ts': byTypes("void client.GET('/api/v1/users/me').then(({ data }) => data?.lastLoginAt.length);"),
  'wrong-function.ts': byFunctions('void api.listUser({});'),
  'wrong-argument.ts': byFunctions("void api.inviteUser({ email: 'a@b.example', role: 'x' });"),
  'wrong-data.ts': byFunctions('void api.me().then((answer) => answer.status === 200 && answer.data.mail);'),
};

function byTypes(statement: string): string {
  return `import createClient from 'openapi-fetch';
import type { paths } from './types';
const client = createClient<paths>({ baseUrl: '' });
${statement}
`;
}

function byFunctions(statement: string): string {
  return `import * as api from './functions';\n${statement}\n`;
}

test.each([
  ['wrong-path.ts', '"/api/v1/user"'],
  ['wrong-parameter.ts', "Type 'string' is not assignable to type 'number'"],
  ['wrong-member.ts', "Type 'string' is not assignable to type 'string[]'"],
  ['missing-member.ts', "Property 'email' is missing"],
  ['wrong-field.ts', "Property 'mail' does not exist"],
  ['wrong-null.ts', "'data.lastLoginAt' is possibly 'null'"],
  ['wrong-function.ts', "Property 'listUser' does not exist"],
  ['wrong-argument.ts', "'role' does not exist"],
  ['wrong-data.ts', "Property 'mail' does not exist"],
])('%s does not compile: %s', (file, message) => {
  expect(mistakes.get(file)).toEqual([expect.stringContaining(message)]);
});

/** What the two programs have in common. */
const outcome = (by: string): object => ({
  users: ['ada.admin@example.com Active', expect.stringContaining('Active')],
  hasMore: expect.any(Boolean),
  patched: `Mel by ${by}`,
  displayName: `Mel by ${by}`,
  lastLoginAt: null,
  asked: { response: '1 2 3' },
  left: 204,
  after: 401,
});

/** The programs, each with what it prints. */
const programs: Readonly<Record<string, object>> = {
  'with-openapi-fetch.ts': {
    ...outcome('types'),
    invited: [201, 'Invited'],
    reasons: ['NOT_FOUND', 'BAD_USER_INPUT'],
    events: ['delta 1 ', 'delta 2 ', 'delta 3', 'answer 1 2 3', 'done'],
  },
  'with-oazapfts.ts': { ...outcome('functions'), invited: [201, 'functions@example.com'], reason: 'NOT_FOUND' },
};

test.each(Object.keys(programs))('%s compiles, and works', async (file) => {
  expect(mistakes.get(file)).toBeUndefined();
  const token = world.auth.createSession('user-ada');
  const printed = await run(await bundle(file), [world.url, token]);
  expect(JSON.parse(printed)).toEqual(programs[file]);
});

test('nothing else is wrong with what was generated', () => {
  expect([...mistakes.keys()].sort()).toEqual(Object.keys(wrong).sort());
});
