/** What a page in Markdown names of this repository, held against what is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from '@swc/core';
import { readMarkdown } from './runbook/markdown';

const root = join(__dirname, '../..');
const { scripts, dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

/** Functions, methods and classes that a file defines, by the file's path from the root. */
const definitions = new Map<string, ReadonlySet<string>>();

function definitionsIn(path: string): ReadonlySet<string> {
  const known = definitions.get(path);
  if (known) return known;
  const names = new Set<string>();
  collect(parseSync(readFileSync(join(root, path), 'utf8'), { syntax: 'typescript', target: 'es2022' }), names);
  definitions.set(path, names);
  return names;
}

interface AstNode {
  readonly type?: string;
  /** The name, for each kind of node another one of these. */
  readonly identifier?: AstNode;
  readonly key?: AstNode;
  readonly id?: AstNode;
  readonly init?: AstNode | null;
  readonly value?: AstNode | string | null;
}

/** The name of what a node defines. Declarations in interfaces and types define nothing. */
function nameOf({ type, identifier, key, id, init, value }: AstNode): AstNode | undefined {
  switch (type) {
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return identifier;
    case 'ClassMethod':
    case 'MethodProperty':
      return key;
    case 'KeyValueProperty':
    case 'ClassProperty':
      return isFunctionNode(value) ? key : undefined;
    case 'VariableDeclarator':
      return isFunctionNode(init) ? id : undefined;
    default:
      return undefined;
  }
}

function isFunctionNode(node: AstNode | string | null | undefined): boolean {
  return typeof node === 'object' && /^(Arrow)?FunctionExpression$/.test(node?.type ?? '');
}

function collect(node: unknown, names: Set<string>): void {
  if (typeof node !== 'object' || node === null) return;
  const name = nameOf(node)?.value;
  if (typeof name === 'string') names.add(name);
  for (const child of Object.values(node)) collect(child, names);
}

const sourceFiles = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path.replaceAll('\\', '/')}`);

const isDefined = (name: string): boolean => sourceFiles.some((path) => definitionsIn(path).has(name));

/**
 * Everything that a page names and that is not there:
 *
 * - files and folders in backticks, and in commands;
 * - scripts behind `npm run`;
 * - functions, written `name()` wherever they stand, diagrams included; those written "`name()` in `path`", in that file;
 * - other names that are written so, anywhere in that file;
 * - links to other files.
 */
export function namingProblems(page: string, folder = ''): string[] {
  const { inline, blocks, links } = readMarkdown(page);
  const commands = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
  const words = [...inline, ...commands].flatMap((code) => code.split(/\s+/));
  const called = [...page.matchAll(/\b(\w+)\(\)/g)].map(([, name = '']) => name);
  const placed = [...page.matchAll(/`(\w+)(\(\))?`\s+(?:(?:in|of)\s+|\()`([^`\s]+\.\w+)`/g)]
    .map(([, name = '', call, path = '']) => ({ name, path, isFunction: call !== undefined }))
    .filter(({ path }) => existsSync(join(root, path)));
  const isPlaced = (name: string): boolean => placed.some((each) => each.isFunction && each.name === name);
  const run = [...page.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name = '']) => name);
  const problems = [
    ...words.filter((word) => isPath(word) && !existsSync(join(root, word))).map((word) => `there is no ${word}`),
    ...called.filter((name) => !isPlaced(name) && !isDefined(name)).map((name) => `src defines no ${name}()`),
    ...placed
      .filter(({ name, path, isFunction }) => isFunction && !definitionsIn(path).has(name))
      .map(({ name, path }) => `${path} defines no ${name}()`),
    ...placed
      .filter(({ name, path, isFunction }) => !isFunction && !mentions(path, name))
      .map(({ name, path }) => `${path} has no ${name}`),
    ...run.filter((name) => scripts[name] === undefined).map((name) => `${name} is no script`),
    ...links.filter((link) => leadsNowhere(link, folder)).map((link) => `the link ${link} leads nowhere`),
  ];
  return [...new Set(problems)];
}

const mentions = (path: string, name: string): boolean =>
  new RegExp(`\\b${name}\\b`).test(readFileSync(join(root, path), 'utf8'));

/** Media types, addresses and packages have slashes too. */
function isPath(word: string): boolean {
  if (isInPackage(word)) return false;
  if (/^[\w-]+(\.[\w-]+)*\.(ts|js|mjs|json|md|ya?ml|sh)$/.test(word) || word === 'Dockerfile') return true;
  if (!/^[\w.-]+(\/[\w.-]+)+\/?$/.test(word)) return false;
  return !/^(application|text)\//.test(word);
}

function isInPackage(word: string): boolean {
  const [name = ''] = word.split('/');
  return dependencies[name] !== undefined || devDependencies[name] !== undefined;
}

function leadsNowhere(link: string, folder: string): boolean {
  const [path = ''] = link.split('#');
  return path !== '' && !/^https?:/.test(path) && !existsSync(join(root, folder, path));
}
