import { readFileSync } from 'node:fs';
import { catalogue } from '../src/errors';

test("the README's table of errors is the catalogue", () => {
  const readme = readFileSync('README.md', 'utf8');
  const [, table = ''] = /<!-- errors:begin -->\n+(.*?)\n+<!-- errors:end -->/s.exec(readme) ?? [];
  const rows = table
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, 4),
    );
  const expected = Object.entries(catalogue).map(([code, { http, meaning }]) => [`\`${code}\``, String(http), meaning]);
  expect(rows).toEqual(expected);
});
