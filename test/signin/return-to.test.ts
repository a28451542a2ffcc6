import fc from 'fast-check';
import { safeReturnTo } from '../../src/signin/return-to';
import { anyText } from '../any-text';

const publicUrl = 'https://gateway.example';
const allowedOrigins = [
  'https://app.example',
  'http://localhost:5173',
  'http://localhost',
  'https://xn--mnchen-3ya.example',
];
const postLoginUrl = 'https://app.example/home';
const options = { publicUrl, allowedOrigins, postLoginUrl: '/' };
const origins = [publicUrl, ...allowedOrigins];

test.each([
  ['/', '/'],
  ['/orders', '/orders'],
  ['/orders/7?tab=lines&q=a%2Fb#top', '/orders/7?tab=lines&q=a%2Fb#top'],
  ['/search?q=two words', '/search?q=two%20words'],
  ['/a/../b/./c', '/b/c'],
  ['/go?to=https://evil.example//', '/go?to=https://evil.example//'],
  ['/@evil.example', '/@evil.example'],
])('%j is a path here and becomes %j', (wanted, path) => {
  expect(safeReturnTo([wanted], options)).toBe(path);
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
  'https://gateway.example.evil.example/',
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
  expect(safeReturnTo([wanted], options)).toBe('/');
});

test.each(
  origins.flatMap((origin) => [
    [origin, `${origin}/`],
    [`${origin}/`, `${origin}/`],
    [`${origin}/orders/7?tab=lines&q=a%2Fb#top`, `${origin}/orders/7?tab=lines&q=a%2Fb#top`],
    [`${origin}?a=b#c`, `${origin}/?a=b#c`],
    [`${origin}#/orders/7`, `${origin}/#/orders/7`],
    [`${origin}/a/../b?q=two words`, `${origin}/b?q=two%20words`],
    [`${origin}/go?to=https://evil.example//`, `${origin}/go?to=https://evil.example//`],
    [`${origin}/@evil.example`, `${origin}/@evil.example`],
    [`${origin}/ä`, `${origin}/%C3%A4`],
  ]),
)('%j is a place of an allowed origin and becomes %j', (wanted, url) => {
  expect(safeReturnTo([wanted], options)).toBe(url);
});

/** Texts that a browser, a proxy or a careless reader could take for a place of an allowed origin, and for another. */
function hostileForms(origin: string): string[] {
  const { protocol, host } = new URL(origin);
  const evil = 'evil.example';
  const other = protocol === 'https:' ? 'http:' : 'https:';
  const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).concat('\u007f');
  return [
    // The host goes on, or begins earlier.
    ...[
      '.',
      '.evil.example',
      '-evil.example',
      'evil.example',
      '%2eevil.example',
      '%00.evil.example',
      '%',
      '。',
      '．',
      '｡',
      '․',
    ].map((more) => `${origin}${more}/`),
    ...['evil', 'evil-', 'evil.', 'www.', '%', '\u200b'].map((less) => `${protocol}//${less}${host}/`),
    // Another port, or none.
    ...[':', ':0', ':444', ':65536', ':evil', ':@evil.example', ':80@evil.example', ':80#@evil.example'].map(
      (port) => `${origin}${port}/`,
    ),
    // It is but a user name.
    ...['@', ':@', ':pass@', '%40@', '%2f@', '%3f@', ';@', '&@', ',@', '!@', '*@'].map(
      (mark) => `${origin}${mark}${evil}/`,
    ),
    `${protocol}//${evil}@${host}/`,
    `${protocol}//user:pass@${host}/`,
    `${protocol}//@${host}/`,
    `${protocol}//${host}@${evil}\\@${host}/`,
    // Backslashes.
    ...[
      '\\',
      '\\\\',
      '/\\',
      '\\/',
      '\\@evil.example',
      '\\.evil.example',
      '/\\evil.example',
      '\\evil.example/',
      '/a\\b',
    ].map((slashes) => `${origin}${slashes}`),
    `${protocol}\\\\${host}/`,
    `${protocol}/\\${host}/`,
    // Paths that name a host, at once or when something decodes or resolves them.
    ...[
      '//',
      '//evil.example',
      '///evil.example',
      '/%2f',
      '/%2Fevil.example',
      '/%5cevil.example',
      '/%5C%5Cevil.example',
      '/.//evil.example',
      '/a/..//evil.example',
      '/%2e//evil.example',
      '/a/%2E%2e//evil.example',
    ].map((path) => `${origin}${path}`),
    // Other schemes, and schemes with fewer or more slashes.
    `${other}//${host}/`,
    `${protocol}${host}/`,
    `${protocol}/${host}/`,
    `${protocol}///${host}/`,
    `//${host}/`,
    `//${evil}/`,
    `${host}/`,
    ...['javascript', 'data', 'blob', 'vbscript', 'file', 'ftp', 'ws', 'view-source', 'about'].flatMap((scheme) => [
      `${scheme}:${origin}/`,
      `${scheme}://${host}/`,
      `${scheme}:alert(1)//${origin}/`,
    ]),
    // Written otherwise.
    origin.toUpperCase(),
    `${protocol.toUpperCase()}//${host}/`,
    ` ${origin}/`,
    `\u00a0${origin}/`,
    `\ufeff${origin}/`,
    `${origin} /`,
    `${origin}\u3000/`,
    `${protocol}//${host.replace('e', 'е')}/`,
    `${protocol}//${host.replace('.', '。')}/`,
    encodeURIComponent(`${origin}/`),
    `<${origin}/>`,
    `"${origin}/"`,
    // Control characters, anywhere.
    ...controls.flatMap((control) => [
      `${control}${origin}/`,
      `${origin}${control}/`,
      `${origin}/${control}/evil.example`,
      `${protocol}/${control}/${host}/`,
    ]),
    // A host without an e or a dot has no look-alike with another.
  ].filter((text) => text !== `${origin}/`);
}

test('hostile forms of every allowed origin lead where sign-in leads without', () => {
  const forms = new Set(origins.flatMap(hostileForms));
  expect(forms.size).toBeGreaterThan(1000);
  for (const form of forms) {
    expect([form, safeReturnTo([form], { ...options, postLoginUrl })]).toEqual([form, postLoginUrl]);
  }
});

test('where nothing, or nothing allowed, is asked for, sign-in leads to POST_LOGIN_URL', () => {
  for (const wanted of [[], [''], ['//evil.example'], ['https://evil.example/'], ['/a', '/b']]) {
    expect(safeReturnTo(wanted, { ...options, postLoginUrl })).toBe(postLoginUrl);
  }
});

test('an origin that is the beginning of another does not keep it from counting', () => {
  expect(safeReturnTo(['http://localhost:5173/x'], options)).toBe('http://localhost:5173/x');
  const turned = { ...options, allowedOrigins: allowedOrigins.toReversed() };
  expect(safeReturnTo(['http://localhost:5173/x'], turned)).toBe('http://localhost:5173/x');
});

test('none and more than one become /', () => {
  expect(safeReturnTo([], options)).toBe('/');
  expect(safeReturnTo(['/orders', '/orders'], options)).toBe('/');
});

test('whatever is asked for, a browser stays on the allowed origins', () => {
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
    ...origins,
  ];
  const tricks = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(tricks, anyText()), (wanted) => {
      const location = safeReturnTo([wanted], options);
      const origin = origins.find((each) => location.startsWith(`${each}/`)) ?? '';
      expect(location.slice(origin.length)).toMatch(/^\/(?!\/)[!-~]*$/);
      const url = new URL(location, `${publicUrl}/api/v1/auth/dev/callback`);
      expect(origins).toContain(url.origin);
      expect([url.username, url.password]).toEqual(['', '']);
    }),
    { numRuns: 5_000 },
  );
});
