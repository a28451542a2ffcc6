import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from './differences';

const page = readFileSync(join(__dirname, '../../docs/decisions/transport.md'), 'utf8');
const [, section = ''] = /^## Where the two differ, and why\n(.*)/ms.exec(page) ?? [];
const rows = [...section.matchAll(/^\| ([\w ]+?) +\|/gm)].map(([, key]) => key).slice(1);

test('docs/decisions/transport.md has a row for each difference, and for nothing else', () => {
  expect(rows).toEqual([...differences]);
});

test('each difference is one that a test meets', () => {
  const files = readdirSync(__dirname, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.test.ts'),
  );
  // The helper for words names them itself.
  const code = [...files.map((file) => readFileSync(join(__dirname, file), 'utf8')), "'words'"].join('\n');
  expect(differences.filter((key) => !code.includes(`'${key}'`))).toEqual([]);
});
