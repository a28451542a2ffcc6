import fc from 'fast-check';
import { safeReturnTo } from '../../src/signin/return-to';
import { anyText } from '../any-text';

const publicUrl = 'https://gateway.example';

test.each([
  ['/', '/'],
  ['/orders', '/orders'],
  ['/orders/7?tab=lines&q=a%2Fb#top', '/orders/7?tab=lines&q=a%2Fb#top'],
  ['/search?q=two words', '/search?q=two%20words'],
  ['/a/../b/./c', '/b/c'],
  ['/go?to=https://evil.example//', '/go?to=https://evil.example//'],
  ['/@evil.example', '/@evil.example'],
])('%j is a path here and becomes %j', (wanted, path) => {
  expect(safeReturnTo([wanted], publicUrl)).toBe(path);
});

test.each([
  '',
  'orders',
  '?a=b',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/orders\\..\\..',
  '/\t/evil.example',
  '\t//evil.example',
  ' //evil.example',
  '/\n/evil.example',
  '/\r\n/evil.example',
  '/orders\u0000',
  '/orders\u007f',
  'https://evil.example/',
  'https:evil.example',
  'https:/evil.example',
  'HTTPS://gateway.example/orders',
  'javascript:alert(1)',
  'data:text/html,x',
  '/.//evil.example',
  '/a/..//evil.example',
  '/%2e//evil.example',
  '/a/%2E%2e//evil.example',
  '/%2fevil.example',
  '/%2Fevil.example',
  '/%5cevil.example',
  '/./%5Cevil.example',
  '@evil.example',
  '.evil.example',
  `/${'a'.repeat(2048)}`,
  `/${'ä'.repeat(1000)}`,
])('%j is none and becomes /', (wanted) => {
  expect(safeReturnTo([wanted], publicUrl)).toBe('/');
});

test('none and more than one become /', () => {
  expect(safeReturnTo([], publicUrl)).toBe('/');
  expect(safeReturnTo(['/orders', '/orders'], publicUrl)).toBe('/');
});

test('whatever is asked for, a browser stays on this origin', () => {
  const pieces = [
    '/',
    '\\',
    '.',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '\t',
    '\n',
    ' ',
    ':',
    '@',
    '?',
    '#',
    'https:',
    'evil.example',
  ];
  const tricks = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(tricks, anyText()), (wanted) => {
      const location = safeReturnTo([wanted], publicUrl);
      expect(location).toMatch(/^\/(?!\/)[!-~]*$/);
      expect(new URL(location, `${publicUrl}/api/v1/auth/dev/callback`).origin).toBe(publicUrl);
    }),
    { numRuns: 5_000 },
  );
});
