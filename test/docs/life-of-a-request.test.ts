/** docs/life-of-a-request.md names nothing that is not there, and every way in which a request can fail. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogue } from '../../src/errors';
import { namingProblems } from './named-code';
import { readMarkdown } from './runbook/markdown';

const page = readFileSync(join(__dirname, '../../docs/life-of-a-request.md'), 'utf8');
/** Refusals as they are written: a status, and a code behind it. */
const refusals = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/\b(\d{3})\s+`?([A-Z_]{8,})\b/g)].map(([, status, code]) => `${status} ${code}`));

const [diagram = ''] = readMarkdown(page).blocks.flatMap(({ language, text }) => (language === 'mermaid' ? text : []));
const list = page.slice(page.indexOf('## Step by step'));

test('every file and function that it names is there', () => {
  expect(page.match(/\b\w+\(\)/g)?.length).toBeGreaterThan(50);
  expect(namingProblems(page, 'docs')).toEqual([]);
});

test('the list has every code of the catalogue, each with its status', () => {
  const all = Object.entries(catalogue).map(([code, { http }]) => `${http} ${code}`);
  expect([...refusals(list)].toSorted()).toEqual(all.toSorted());
});

test('the diagram has the refusals of the list, but for a client that leaves', () => {
  const all = [...refusals(list)].filter((each) => each !== '499 CLIENT_CLOSED_REQUEST');
  expect([...refusals(diagram)].toSorted()).toEqual(all.toSorted());
});

describe('a mistake is found', () => {
  test.each([
    [
      'a function',
      '`chooseOperation()` in',
      '`pickOperation()` in',
      'src/pipeline/choose-operation.ts defines no pickOperation()',
    ],
    ['a function of the diagram', '"prepare()"', '"prepareAll()"', 'src defines no prepareAll()'],
    [
      'a function in another file',
      '`admit()` in\n   `src/session/gatekeeper.ts`',
      '`admit()` in\n   `src/session/sessions.ts`',
      'src/session/sessions.ts defines no admit()',
    ],
    ['a file', '`src/http/bodies.ts`', '`src/http/body.ts`', 'there is no src/http/body.ts'],
    ['a link', '(decisions/graphql-door.md', '(decisions/door.md', 'decisions/door.md'],
  ])('%s', (_what, from, to, said) => {
    expect(page).toContain(from);
    expect(namingProblems(page.replace(from, to), 'docs').join('\n')).toContain(said);
  });

  test('what an interface declares and nothing defines', () => {
    expect(namingProblems('`headerLines()` in `src/http/exchange.ts`')).toEqual([
      'src/http/exchange.ts defines no headerLines()',
    ]);
  });
});
