import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseSync } from '@swc/core';
import { Enum, Namespace, Service, Type, type ReflectionObject } from 'protobufjs';
import { loadProtos } from '../src/proto/protos';

const root = join(__dirname, '..');

/** From the top down: a file imports from its own folder and from lower levels. */
const levels = [
  ['main', 'commands'],
  ['gateway'],
  ['contract'],
  ['graphql', 'rest', 'signin'],
  ['pipeline', 'scaffold', 'pages'],
  ['schema', 'session'],
  ['execution', 'proto'],
  ['http', 'grpc'],
  ['config'],
  ['telemetry'],
  ['errors', 'cancellation', 'diagnostics', 'generated', 'internals'],
  ['limits', 'version'],
];

/** The parts that know no message of any upstream; session/ and signin/ call AuthService by name. */
const general = new Set([
  'commands',
  'contract',
  'diagnostics',
  'execution',
  'graphql',
  'grpc',
  'http',
  'internals',
  'pages',
  'pipeline',
  'proto',
  'rest',
  'scaffold',
  'schema',
]);

/**
 * Names that only the protos of the two services have: packages, services, RPCs, and of messages, enums and fields those
 * that are no everyday word.
 */
function namesOfUpstreams(): RegExp {
  const names = new Set(['ai.v1', 'auth.v1']);
  const visit = (object: ReflectionObject): void => {
    if (object instanceof Service) for (const name of [object.name, ...Object.keys(object.methods)]) names.add(name);
    if (object instanceof Type || object instanceof Enum) names.add(object.name);
    if (object instanceof Enum) for (const name of Object.keys(object.values)) names.add(name);
    if (object instanceof Type) for (const name of Object.keys(object.fields)) names.add(name);
    if (object instanceof Namespace) for (const nested of object.nestedArray) visit(nested);
  };
  const protos = loadProtos(join(root, 'proto'));
  for (const name of ['ai', 'auth']) visit(protos.lookup(name) ?? protos);
  // What session/ exports to the parts above is called so too.
  names.delete('AuthService');
  // Fields that the API design guide gives to every paged or partial call (AIP-134, AIP-158).
  for (const name of ['page_size', 'page_token', 'next_page_token', 'total_size', 'update_mask']) names.delete(name);
  const special = [...names].filter((name) => /[a-z][A-Z]|^[A-Z]{2}|[_.]/.test(name));
  return new RegExp(`(?<![\\w-])(${special.map((name) => name.replace('.', '\\.')).join('|')})(?!\\w)`);
}

const upstreamName = namesOfUpstreams();

interface AstNode {
  readonly type: string;
  readonly span?: { readonly start: number };
  readonly [key: string]: unknown;
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && typeof (value as AstNode).type === 'string';
}

/** Every node of a tree with the key that it hangs on; nodes without a place of their own get that of their parent. */
function* walk(value: unknown, key = '', at = 1): Generator<PlacedNode> {
  if (Array.isArray(value)) {
    for (const item of value) yield* walk(item, key, at);
  } else if (typeof value === 'object' && value !== null) {
    const start = (value as Partial<AstNode>).span?.start ?? at;
    if (isNode(value)) yield { node: value, key, at: start };
    for (const [name, child] of Object.entries(value)) if (name !== 'span') yield* walk(child, name, start);
  }
}

interface PlacedNode {
  readonly node: AstNode;
  readonly key: string;
  readonly at: number;
}

const parsed = new Map<string, readonly PlacedNode[]>();

/** The nodes of a file; parsed once for all tests. */
function nodesOf(code: string) {
  const nodes = parsed.get(code) ?? [...walk(parseSync(code, { syntax: 'typescript', target: 'es2022' }))];
  parsed.set(code, nodes);
  return nodes;
}

/** The module that a node imports, in any of the ways there are. */
function imported(node: AstNode): string | undefined {
  const literal = (value: unknown): string | undefined =>
    isNode(value) && value.type === 'StringLiteral' ? (value['value'] as string) : undefined;
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return literal(node['source']);
    case 'TsExternalModuleReference':
      return literal(node['expression']);
    case 'TsImportType':
      return literal(node['argument']);
    case 'CallExpression': {
      const callee = node['callee'] as AstNode;
      const [first] = node['arguments'] as { expression: unknown }[];
      return callee.type === 'Import' || callee['value'] === 'require' ? literal(first?.expression) : undefined;
    }
    default:
      return undefined;
  }
}

/** `src/rest/routes.ts` belongs to `rest`, `src/errors.ts` to `errors`. */
function partOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
}

function levelOf(part: string): number {
  return levels.findIndex((level) => level.includes(part));
}

/** What is wrong with an import, if anything. */
function importProblem(path: string, specifier: string): string | undefined {
  if (specifier === 'process' || specifier === 'node:process') return touchesProcess(path);
  if (!specifier.startsWith('.')) return undefined;
  const target = posix.join(posix.dirname(path), specifier);
  if (target === 'package.json') return undefined;
  if (!target.startsWith('src/')) return `imports ${specifier}, which is outside src`;
  const [from, to] = [partOf(path), partOf(target)];
  const [above, below] = [levelOf(from), levelOf(to)];
  if (from === to) return undefined;
  if (below < 0) return `imports ${to}, which has no level`;
  if (below > above) return undefined;
  return below === above ? `${from} imports ${to}, which is beside it` : `${from} imports ${to}, which is above it`;
}

function touchesProcess(path: string): string | undefined {
  return levelOf(partOf(path)) === 0 ? undefined : 'touches process, which is for main and the commands alone';
}

function isProcess(node: AstNode, key: string): boolean {
  // As a property (`a.process`, `{ process: 1 }`) it is another thing, except on the global object.
  if (node.type === 'Identifier') return node['value'] === 'process' && key !== 'property' && key !== 'key';
  if (node.type !== 'MemberExpression') return false;
  const [object, property] = [node['object'] as AstNode, node['property'] as AstNode];
  return /^global(This)?$/.test(String(object['value'])) && property['value'] === 'process';
}

/** What a name of a library's inside looks like: a private member, or one of those that src/internals uses. */
const internalName = /^(_[a-z]\w*|symbols|chindingsSym|streamSym|getForPromString|registerMetric)$/;

/** Only src/internals reaches into a library; elsewhere its documented surface has to do. */
function libraryProblem(path: string, { node, key }: PlacedNode): string | undefined {
  if (partOf(path) === 'internals') return undefined;
  const specifier = imported(node);
  if (specifier !== undefined && /^(graphql|pino|prom-client|protobufjs\/src)\//.test(specifier)) {
    return `imports ${specifier}, which is inside a library; only src/internals does`;
  }
  if (node.type === 'StringLiteral' && node['value'] === 'pino.metadata') {
    return 'uses pino.metadata, which is inside a library; only src/internals does';
  }
  const isMember = node.type === 'Identifier' && (key === 'property' || key === 'key');
  const name = isMember ? String(node['value']) : '';
  return internalName.test(name) ? `uses ${name}, which is inside a library; only src/internals does` : undefined;
}

function isDefaultExport(node: AstNode): boolean {
  if (/^(ExportDefault|TsExportAssignment)/.test(node.type)) return true;
  const name = node.type === 'ExportSpecifier' ? (node['exported'] as AstNode | null) : null;
  return name?.['value'] === 'default';
}

/** The text of a name, a string or a piece of a template; comments are no nodes. */
function textOf(node: AstNode): string {
  const text = node.type === 'TemplateElement' ? node['raw'] : node['value'];
  return typeof text === 'string' ? text : '';
}

/** Checks files, given by path from the root, and says `file:line: what is wrong`. */
function check(files: Readonly<Record<string, string>>): string[] {
  return Object.entries(files).flatMap(([path, code]) => {
    const bytes = Buffer.from(code);
    const found = new Set<string>();
    const report = (at: number, problem: string | undefined): void => {
      // Places are counted in bytes, from 1.
      const line = bytes
        .subarray(0, at - 1)
        .toString()
        .split('\n').length;
      if (problem !== undefined) found.add(`${path}:${line}: ${problem}`);
    };
    if (levelOf(partOf(path)) < 0) report(1, `${partOf(path)} has no level; give it one in test/imports.test.ts`);
    for (const placed of nodesOf(code)) {
      const { node, key, at } = placed;
      const specifier = imported(node);
      if (specifier !== undefined) report(at, importProblem(path, specifier));
      if (isProcess(node, key)) report(at, touchesProcess(path));
      if (isDefaultExport(node)) report(at, 'has a default export');
      report(at, libraryProblem(path, placed));
      const [, name] = (general.has(partOf(path)) && upstreamName.exec(textOf(node))) || [];
      if (name !== undefined) report(at, `mentions ${name}, which is of an upstream`);
    }
    return [...found];
  });
}

/** A cycle among the imports of files, those of types included, as the paths along it; undefined where there is none. */
function findCycle(files: Readonly<Record<string, string>>): string[] | undefined {
  const imports = new Map(
    Object.entries(files).map(([path, code]) => {
      const specifiers = nodesOf(code).map(({ node }) => imported(node));
      const targets = specifiers.map((each) => each?.startsWith('.') && posix.join(posix.dirname(path), `${each}.ts`));
      return [path, targets.filter((target) => target && target in files) as string[]];
    }),
  );
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): string[] | undefined => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const target of imports.get(path) ?? []) {
      const cycle = visit(target, [...above, path]);
      if (cycle) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of imports.keys()) {
    const cycle = visit(path, []);
    if (cycle) return cycle;
  }
  return undefined;
}

describe('src', () => {
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const files = Object.fromEntries(
    paths.map((path) => [posix.join('src', path.replaceAll('\\', '/')), readFileSync(join(root, 'src', path), 'utf8')]),
  );

  test('keeps to its levels, its names and its ways out', () => {
    expect(Object.keys(files).length).toBeGreaterThan(10);
    expect(check(files)).toEqual([]);
  });

  test('has no cycle of imports', () => {
    expect(findCycle(files)).toBeUndefined();
  });
});

test('a cycle of imports is found, through types too', () => {
  const files = {
    'src/a/a.ts': `import { b } from './b';`,
    'src/a/b.ts': `import type { C } from '../c/c';`,
    'src/c/c.ts': `export * from '../a/b';`,
  };
  expect(findCycle(files)).toEqual(['src/a/b.ts', 'src/c/c.ts', 'src/a/b.ts']);
  expect(findCycle({ ...files, 'src/c/c.ts': '' })).toBeUndefined();
});

describe('the check finds', () => {
  const findings: Record<string, readonly [path: string, code: string, ...found: string[]]> = {
    'an import upwards': [
      'src/grpc/a.ts',
      `// é\n\nimport { b } from '../schema/b';`,
      'src/grpc/a.ts:3: grpc imports schema, which is above it',
    ],
    'the import of a type upwards': [
      'src/errors.ts',
      `import type { B } from './grpc/b';`,
      'src/errors.ts:1: errors imports grpc, which is above it',
    ],
    'a door in a door': [
      'src/rest/a.ts',
      `import { b } from '../graphql/b';\nimport { c } from '../signin/c';`,
      'src/rest/a.ts:1: rest imports graphql, which is beside it',
      'src/rest/a.ts:2: rest imports signin, which is beside it',
    ],
    'the bottom in the bottom': [
      'src/errors.ts',
      `import type { B } from './cancellation';`,
      'src/errors.ts:1: errors imports cancellation, which is beside it',
    ],
    'a session in the schema, and the other way round': [
      'src/schema/a.ts',
      `export * from '../session/b';\nexport { c } from '../session/c';`,
      'src/schema/a.ts:1: schema imports session, which is beside it',
      'src/schema/a.ts:2: schema imports session, which is beside it',
    ],
    'a door in the pipeline': [
      'src/pipeline/a.ts',
      `const b = import('../graphql/b');\nconst c = require('../gateway');\nimport d = require('../main');\nlet e: import('../rest/e').E;`,
      'src/pipeline/a.ts:1: pipeline imports graphql, which is above it',
      'src/pipeline/a.ts:2: pipeline imports gateway, which is above it',
      'src/pipeline/a.ts:3: pipeline imports main, which is above it',
      'src/pipeline/a.ts:4: pipeline imports rest, which is above it',
    ],
    'what is outside src': [
      'src/main.ts',
      `import '../test/a';`,
      'src/main.ts:1: imports ../test/a, which is outside src',
    ],
    'a new part': ['src/cache/a.ts', '', 'src/cache/a.ts:1: cache has no level; give it one in test/imports.test.ts'],
    'the import of a new part': [
      'src/main.ts',
      `import './cache/a';`,
      'src/main.ts:1: imports cache, which has no level',
    ],
    'process outside main': [
      'src/http/a.ts',
      `process.exit(1);\nconst { env } = process;\nglobalThis.process.env;\nimport { env as e } from 'node:process';`,
      ...[1, 2, 3, 4].map((line) => `src/http/a.ts:${line}: touches process, which is for main and the commands alone`),
    ],
    'the inside of libraries': [
      'src/execution/a.ts',
      [
        `import type { Path } from 'graphql/jsutils/Path';`,
        `export { inspect } from 'graphql/jsutils/inspect';`,
        `const a = require('protobufjs/src/encoder');`,
        `const b = type._features;`,
        `const c = { getForPromString: 1 };`,
        `registry.registerMetric(c);`,
        `const d = log[pino.symbols.streamSym];`,
        `const e = Symbol.for('pino.metadata');`,
      ].join('\n'),
      ...[
        '1: imports graphql/jsutils/Path',
        '2: imports graphql/jsutils/inspect',
        '3: imports protobufjs/src/encoder',
        '4: uses _features',
        '5: uses getForPromString',
        '6: uses registerMetric',
        '7: uses symbols',
        '7: uses streamSym',
        '8: uses pino.metadata',
      ].map((problem) => `src/execution/a.ts:${problem}, which is inside a library; only src/internals does`),
    ],
    'default exports': ['src/errors.ts', `\nexport default 1;`, 'src/errors.ts:2: has a default export'],
    'default exports by another name': [
      'src/errors.ts',
      `const a = 1;\nexport { a as default };\nexport default class {}`,
      'src/errors.ts:2: has a default export',
      'src/errors.ts:3: has a default export',
    ],
    'messages of upstreams': [
      'src/pipeline/a.ts',
      "\nconst a = 'ai.v1.AIService';\nconst b = GetUser;\ninterface C { text_delta: 1 }\nconst d = `/auth.v1.AuthService/${'x'}`;\nconst e = 'USER_STATUS_ACTIVE';",
      'src/pipeline/a.ts:2: mentions ai.v1, which is of an upstream',
      'src/pipeline/a.ts:3: mentions GetUser, which is of an upstream',
      'src/pipeline/a.ts:4: mentions text_delta, which is of an upstream',
      'src/pipeline/a.ts:5: mentions auth.v1, which is of an upstream',
      'src/pipeline/a.ts:6: mentions USER_STATUS_ACTIVE, which is of an upstream',
    ],
  };

  test.each(Object.entries(findings))('%s', (_, [path, code, ...found]) => {
    expect(check({ [path]: code })).toEqual(found);
  });

  const fine: Record<string, readonly [path: string, code: string]> = {
    'imports downwards and beside': [
      'src/rest/a.ts',
      `import { b } from './b';\nimport { c } from '../pipeline/c';\nimport { d } from '../telemetry/log';\nimport { join } from 'node:path';`,
    ],
    'parts of one part': ['src/config/a.ts', `import { log } from '../telemetry/log';\nimport { b } from './b';`],
    'process in main': ['src/main.ts', 'process.exit(1);'],
    'other things called process': [
      'src/grpc/a.ts',
      `let a: NodeJS.ProcessEnv; b.process(); const c = { process: 1 };`,
    ],
    'upstreams in comments': ['src/schema/a.ts', `// ai.v1.AIService.ProcessQuery\nconst a = 1; /* GetUser */`],
    'upstreams in session': ['src/session/a.ts', `const rpc = 'auth.v1.AuthService/ValidateSession';`],
    'words that hold a name': ['src/schema/a.ts', `const header = 'x-GetUsers'; const page = 'page_size';`],
    'the inside of libraries in src/internals': [
      'src/internals/a.ts',
      `export { inspect } from 'graphql/jsutils/inspect';\nconst b = type._features;`,
    ],
    'the surface of libraries': [
      'src/proto/a.ts',
      `import { parse } from 'graphql';\nimport 'protobufjs/ext/descriptor';\nconst all = (_first, b) => b.features;`,
    ],
    'the version of the package': ['src/gateway.ts', `import { version } from '../package.json';`],
  };

  test.each(Object.entries(fine))('nothing in: %s', (_, [path, code]) => {
    expect(check({ [path]: code })).toEqual([]);
  });
});
