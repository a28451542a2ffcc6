import { didYouMean, editDistance } from '../../src/diagnostics/did-you-mean';

test.each([
  ['name', 'name', 0],
  ['name', 'nmae', 1],
  ['name', 'nam', 1],
  ['name', 'names', 1],
  ['name', 'nave', 1],
  ['name', 'anem', 2],
  ['', 'name', 4],
  ['kitten', 'sitting', 3],
])('from %j to %j it is %d', (a, b, edits) => {
  expect(editDistance(a, b)).toBe(edits);
  expect(editDistance(b, a)).toBe(edits);
});

test('the nearest come first, the far not at all', () => {
  expect(didYouMean('emial', ['emails', 'address', 'email', 'Email'])).toBe(
    'Did you mean "email" or "Email" or "emails"?',
  );
  expect(didYouMean('emial', ['phone', 'address'])).toBeUndefined();
});
