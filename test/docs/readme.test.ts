import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCheck } from '../../src/commands/run-check';

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
