import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from './differences';

test('the table of the decision has every difference between the servers, and no other', () => {
  const text = readFileSync(join(__dirname, '../../docs/decisions/graphql-door.md'), 'utf8');
  const rows = [...text.matchAll(/^\| ([^|]*?) +\|/gm)].map(([, what]) => what);
  expect(rows).toEqual(['what', '-'.repeat(rows[1]?.length ?? 0), ...differences]);
});
