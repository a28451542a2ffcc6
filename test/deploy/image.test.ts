/** The image, as far as it can be told without building it; scripts/image-check.sh looks at one that is built. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { Registry } from 'prom-client';
import { variables } from '../../src/config/variables';
import { createAdminHandler } from '../../src/http/admin-handler';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

interface Stage {
  readonly name: string;
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

/** The instructions before the first stage, and the stages. */
function parseDockerfile(text: string): { global: Instruction[]; stages: Stage[] } {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const global: Instruction[] = [];
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*?)\s*$/.exec(line) ?? [];
    const [, from = '', stage = ''] = name === 'FROM' ? (/^(\S+) AS (\S+)$/.exec(rest) ?? []) : [];
    if (name === 'FROM') stages.push({ name: stage, from, instructions: [] });
    else (stages.at(-1)?.instructions ?? global).push({ name, rest });
  }
  return { global, stages };
}

const { global, stages } = parseDockerfile(read('Dockerfile'));
const final = stages.at(-1)!;
const rests = (stage: Stage, name: string): string[] =>
  stage.instructions.filter((each) => each.name === name).map(({ rest }) => rest);

describe('Dockerfile', () => {
  test('every stage stands on one image that can be chosen', () => {
    expect(global).toEqual([{ name: 'ARG', rest: 'NODE_IMAGE=node:24-bookworm-slim' }]);
    expect(stages.map(({ name }) => name)).toEqual(['dev', 'packages', 'production']);
    expect(stages.map(({ from }) => from)).toEqual(stages.map(() => '${NODE_IMAGE}'));
  });

  test('what is run as is what npm start runs, below tini', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(JSON.parse(rests(final, 'ENTRYPOINT')[0] ?? '')).toEqual(['/usr/bin/tini', '--']);
    expect(JSON.parse(rests(final, 'CMD')[0] ?? '')).toEqual(scripts['start']?.split(' '));
    expect(rests(final, 'ENV')).toContain('NODE_ENV=production');
    expect(rests(final, 'EXPOSE')).toEqual([`${variables.port.default} ${variables.adminPort.default}`]);
  });

  test.each(['dev', 'production'])('%s ends as another user than root, by number', (name) => {
    const stage = stages.find((each) => each.name === name);
    expect(rests(stage!, 'USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  test('nothing is in the last stage but what runs', () => {
    expect(rests(final, 'COPY')).toEqual([
      '--from=packages /app/node_modules ./node_modules',
      '--from=dev /app/package.json ./',
      '--from=dev /app/proto ./proto',
      '--from=dev /app/schema ./schema',
      '--from=dev /app/dist ./dist',
    ]);
    expect(rests(final, 'ADD')).toEqual([]);
    expect(rests(stages[1]!, 'RUN')[0]).toContain('npm ci --omit=dev');
  });

  test('no package runs a script of its own, and nothing secret has a name', () => {
    const text = read('Dockerfile');
    for (const command of text.match(/npm (ci|install|i)\b.*/g) ?? []) expect(command).toContain('--ignore-scripts');
    for (const { name, rest } of stages.flatMap((stage) => stage.instructions)) {
      if (name === 'ENV' || name === 'ARG') expect(rest).not.toMatch(/secret|token|password|credential|key/i);
    }
  });

  test('its version and revision are told from outside', () => {
    for (const name of ['version', 'revision']) {
      expect(rests(final, 'ARG').join(' ')).toContain(`${name.toUpperCase()}=`);
      expect(rests(final, 'LABEL')[0]).toContain(`org.opencontainers.image.${name}="\${${name.toUpperCase()}}"`);
    }
  });
});

describe('.dockerignore', () => {
  const [first, ...others] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const allowed = others.map((line) => line.slice(1));
  const isAllowed = (path: string): boolean => allowed.some((each) => path === each || path.startsWith(`${each}/`));

  test('lets in what is listed, all of which there is', () => {
    expect(first).toBe('*');
    expect(others.filter((line) => !/^![\w./-]+$/.test(line))).toEqual([]);
    expect(allowed.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test.each(['.git', '.env', 'node_modules', 'dist', 'test/docs/readme.test.ts', 'k8s', 'monitoring', 'coverage'])(
    'keeps %s out',
    (path) => expect(isAllowed(path)).toBe(false),
  );

  test('lets in all that the stages copy and the development services import', () => {
    const copied = stages.flatMap((stage) => rests(stage, 'COPY')).filter((rest) => !rest.startsWith('--from'));
    const sources = copied.flatMap((rest) => rest.split(' ').slice(0, -1)).filter((path) => path !== '.');
    expect(sources).toContain('package-lock.json');
    expect(sources.filter((path) => !isAllowed(path))).toEqual([]);

    const files = readdirSync(join(root, 'test/upstreams'), { recursive: true, encoding: 'utf8' });
    const imports = files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const path = join('test/upstreams', file);
        return [...read(path).matchAll(/from '(\.[^']+)'|readFileSync\(join\(__dirname, '([^']+)'/g)].map((match) =>
          relative(root, join(root, path, '..', match[1] ?? match[2] ?? '')),
        );
      });
    expect(imports).toContain('README.md');
    expect(imports.filter((path) => !isAllowed(path))).toEqual([]);
  });
});

describe('HEALTHCHECK', () => {
  const [program, ...args] = JSON.parse(/ CMD (\[.*\])$/.exec(rests(final, 'HEALTHCHECK')[0] ?? '')?.[1] ?? '') as [
    string,
  ];
  let ready = true;
  const admin = createServer(createAdminHandler(new Registry(), () => ready));
  beforeAll(() => once(admin.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => admin.close());

  async function exitCode(env: Record<string, string>): Promise<number> {
    const [code] = (await once(spawn(program, args, { env: { PATH: process.env['PATH'], ...env } }), 'exit')) as [
      number,
    ];
    return code;
  }
  const port = (): string => String((admin.address() as AddressInfo).port);

  test('is a program of the image, without a shell', () => expect(program).toBe('node'));

  test('tells whether the gateway is ready, at ADMIN_PORT', async () => {
    expect(await exitCode({ ADMIN_PORT: port() })).toBe(0);
    ready = false;
    expect(await exitCode({ ADMIN_PORT: port() })).toBe(1);
    ready = true;
  });

  test('looks at ADMIN_HOST, and fails where nobody answers', async () => {
    expect(await exitCode({ ADMIN_PORT: port(), ADMIN_HOST: '127.0.0.1' })).toBe(0);
    expect(await exitCode({ ADMIN_PORT: port(), ADMIN_HOST: '127.0.0.2' })).toBe(1);
    expect(await exitCode({ ADMIN_PORT: '1' })).toBe(1);
  });
});
