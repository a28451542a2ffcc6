/** docs/security.md names tests that are there, for every limit too. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { limitNames } from '../../src/limits';
import { namingProblems } from './named-code';

const root = join(__dirname, '../..');
const page = readFileSync(join(root, 'docs/security.md'), 'utf8');

/** The cells of every row of its tables: threat, what stops it, what shows it. */
function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (threat|-)/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** Titles of tests, and of what groups them, as a file writes them. */
function titlesOf(code: string): Set<string> {
  const titles = [
    ...code.matchAll(
      /\)?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`),\s*(?:async )?(?:\(|function|[a-z])/g,
    ),
  ];
  return new Set(
    titles.map(([, single, double, template]) => (single ?? double ?? template ?? '').replace(/\\(.)/g, '$1')),
  );
}

/** What of a page's rows is not so. */
function problemsOf(text: string): string[] {
  return rowsOf(text).flatMap(([threat = '', , shown = '']) => {
    const files = [...shown.matchAll(/`(test\/[\w./-]+\.test\.ts)`((?: ?,? ?"[^"]+")*)/g)];
    if (files.length === 0) return [`${threat}: no test`];
    return files.flatMap(([, file = '', names = '']) => {
      if (!existsSync(join(root, file))) return [`there is no ${file}`];
      const titles = titlesOf(readFileSync(join(root, file), 'utf8'));
      const named = [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
      if (named.length === 0) return [`${threat}: no test of ${file} is named`];
      return named.filter((name) => !titles.has(name)).map((name) => `${file} has no test "${name}"`);
    });
  });
}

test('every row names a test that is there', () => {
  expect(rowsOf(page).length).toBeGreaterThan(35);
  expect(problemsOf(page)).toEqual([]);
});

test('every limit is in a row', () => {
  const [, stops = ''] = /\n## Too much\n(.*?)\n## /s.exec(page) ?? [];
  const named = new Set([...stops.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name));
  expect(limitNames.filter((name) => !named.has(name))).toEqual([]);
});

test('the code that it names is there', () => {
  expect(namingProblems(page, 'docs')).toEqual([]);
});

test.each([
  [
    'another name',
    '"nothing stale is served"',
    '"nothing old is served"',
    'test/session/validation.test.ts has no test "nothing old is served"',
  ],
  ['another file', 'test/signin/seal.test.ts', 'test/signin/seals.test.ts', 'there is no test/signin/seals.test.ts'],
  [
    'a row without a test',
    '`test/signin/seal.test.ts` "a change of any byte makes it worthless", "what was sealed for another purpose does not unseal", "another algorithm is not accepted, whoever names it"',
    'nothing',
    'The sealed cookie is changed, or opened: no test',
  ],
  [
    'a file without a name',
    ' "add no series, whatever 10,000 requests of theirs look like"',
    '',
    'Many distinct values in metrics: no test of test/telemetry/metrics.test.ts is named',
  ],
])('a mistake is found: %s', (_what, from, to, said) => {
  expect(page).toContain(from);
  expect(problemsOf(page.replace(from, to))).toEqual([said]);
});
