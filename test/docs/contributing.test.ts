/** CONTRIBUTING.md names nothing that is not there, and its tables are those of the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { namingProblems } from './named-code';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('CONTRIBUTING.md');

/** What stands in backticks in the first column of the table below a heading. */
function firstColumn(heading: string): string[][] {
  const [, table = ''] = new RegExp(`^\\| ${heading} +\\|.*\\n\\|[- |]+\\n((?:\\|.*\\n)+)`, 'm').exec(page) ?? [];
  const rows = table.split('\n').filter((row) => row !== '');
  return rows.map((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
}

test('everything that it names is there', () => {
  expect(namingProblems(page)).toEqual([]);
});

test('the levels are those that imports are held to', () => {
  const [, list = ''] = /^const levels = \[\n(.*?)^\];/ms.exec(read('test/imports.test.ts')) ?? [];
  const levels = list
    .trim()
    .split('\n')
    .map((line) => [...line.matchAll(/'(\w+)'/g)].map(([, name = '']) => name));
  expect(levels.length).toBeGreaterThan(5);
  expect(firstColumn('from the top down')).toEqual(levels);
});

test('the projects are those of Jest', () => {
  const names = [...read('jest.config.js').matchAll(/displayName: '(\w+)'/g)].map(([, name]) => [name]);
  expect(firstColumn('project')).toEqual(names);
});

describe('a mistake is found', () => {
  test.each([
    ['a function', '`checkField()`', '`checkFields()`', 'src defines no checkFields()'],
    [
      'a function in another file',
      '`mountOf()` in `src/rest/compile-operations.ts`',
      '`mountOf()` in `src/rest/routes.ts`',
      'src/rest/routes.ts defines no mountOf()',
    ],
    [
      'a function of a test',
      '`startWorld()` in\n`test/',
      '`startAll()` in\n`test/',
      'test/gateway-fixture.ts defines no startAll()',
    ],
    [
      'a constant',
      '`meanings` of `src/grpc/status.ts`',
      '`mapping` of `src/grpc/status.ts`',
      'src/grpc/status.ts has no mapping',
    ],
    ['a file', '`src/config/values.ts`', '`src/config/value.ts`', 'there is no src/config/value.ts'],
    [
      'a file of a command',
      'npx jest test/graphql/graphql.test.ts\n',
      'npx jest test/graphql.test.ts\n',
      'there is no test/graphql.test.ts',
    ],
    ['a script', 'npm run codegen', 'npm run generate', 'generate is no script'],
    ['a link', '(docs/decisions/README.md)', '(docs/decisions.md)', 'docs/decisions.md leads nowhere'],
  ])('%s', (_what, from, to, said) => {
    expect(page).toContain(from);
    expect(namingProblems(page.replaceAll(from, to)).join('\n')).toContain(said);
  });
});
