import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCheck } from '../../src/commands/run-check';
import { namingProblems } from './named-code';

test("the README's service joins by what stands there, and nothing else", () => {
  const readme = readFileSync('README.md', 'utf8');
  const [, proto = ''] = /```proto\n(.*?)```/s.exec(readme) ?? [];
  const examples = [...readme.matchAll(/```graphql\n(.*?)```/gs)].map((match) => match[1] ?? '');
  const sdl = examples.find((text) => text.includes('notes.v1')) ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    const [schemaDir, protoDir] = [join(folder, 'schema'), join(folder, 'proto')];
    cpSync('schema', schemaDir, { recursive: true });
    cpSync('proto', protoDir, { recursive: true });
    mkdirSync(join(protoDir, 'notes'));
    writeFileSync(join(protoDir, 'notes/notes.proto'), proto);
    writeFileSync(join(schemaDir, 'notes.graphql'), sdl);
    const { exitCode, stdout } = runCheck([], { schemaDir, protoDir });
    expect(stdout).toContain('notes.v1.NoteService/UpdateNote');
    expect(stdout).toContain('no findings');
    expect(exitCode).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every command of the README's table is a script", () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const [, table = ''] = /## Commands\n(.*?)\n## /s.exec(readFileSync('README.md', 'utf8')) ?? [];
  const names = [...table.matchAll(/`(?:npm run )?([a-z:]+)`/g)]
    .map((match) => match[1] ?? '')
    .filter((name) => name !== 'npm');
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => scripts[name] === undefined)).toEqual([]);
});

test('the table of dependencies is that of package.json', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
  const rows = [...readFileSync('docs/dependencies.md', 'utf8').matchAll(/^\| `([^`]+)` +\| (.+?) +\| (.+?) +\|$/gm)];
  expect(rows.map(([, name = '']) => name).toSorted()).toEqual(Object.keys(dependencies).toSorted());
});

test('the pages that the README leads to are there', () => {
  expect(namingProblems(readFileSync('docs/dependencies.md', 'utf8'), 'docs')).toEqual([]);
  const links = [...readFileSync('README.md', 'utf8').matchAll(/\]\(([\w./-]+)(?:#[^)]*)?\)/g)].map(
    ([, path = '']) => path,
  );
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter((path) => !existsSync(path))).toEqual([]);
});

describe('the decisions', () => {
  const pages = readdirSync('docs/decisions').filter((name) => name !== 'README.md');

  test('are each one line of the index', () => {
    const index = [...readFileSync('docs/decisions/README.md', 'utf8').matchAll(/^- \[([^\]]+)\]\(([^)]+)\): .+\.$/gm)];
    expect(index.map(([, title, link]) => `${title} ${link}`).toSorted()).toEqual(
      pages.map((name) => `${name} ${name}`).toSorted(),
    );
  });

  test.each(pages)('%s names nothing that is not there', (name) => {
    expect(namingProblems(readFileSync(join('docs/decisions', name), 'utf8'), 'docs/decisions')).toEqual([]);
  });
});
