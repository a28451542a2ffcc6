import { readFileSync } from 'node:fs';
import { variables } from '../src/config/variables';
import { limits, type LimitKind } from '../src/limits';

const kinds: Readonly<Record<string, LimitKind>> = limits;

/** The cells of a table's rows. */
function cellsOf(table: string): string[][] {
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

test("the README's table of limits is the catalogue", () => {
  const [, table = ''] = /<!-- limits:begin -->(.*?)<!-- limits:end -->/s.exec(readFileSync('README.md', 'utf8')) ?? [];
  expect(cellsOf(table)).toEqual(
    Object.entries(kinds).map(([name, { meaning, variable, directive }]) => {
      const setter = variable ?? directive;
      return [`\`${name}\``, meaning, setter === undefined ? 'fixed' : `\`${setter}\``];
    }),
  );
});

test('the runbook says of each limit what to look at', () => {
  const [, table = ''] =
    /^\| limit +\| look at +\|\n((?:\|.*\n)+)/m.exec(readFileSync('docs/runbook.md', 'utf8')) ?? [];
  const named = [...table.matchAll(/^\|([^|]+)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );
  expect(new Set(named)).toEqual(new Set(Object.keys(kinds)));
});

test('limits are set by variables that there are', () => {
  const names = new Set(Object.values(variables).map(({ name }) => name));
  for (const { variable } of Object.values(kinds)) if (variable !== undefined) expect(names).toContain(variable);
});
