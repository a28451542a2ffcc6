import type { Exchange } from '../../src/http/exchange';
import { createSessionCookie } from '../../src/session/cookies';
import { createCredentials, type SessionCredential } from '../../src/session/credentials';

/** As much of an exchange as reading a credential looks at. */
function exchangeWith(lines: Record<string, string[]>): Exchange {
  // As node:http puts lines of the same name together.
  const headers = { authorization: lines['authorization']?.[0], cookie: lines['cookie']?.join('; ') };
  return {
    headers,
    headerLines: (name: string) => lines[name] ?? [],
    setCookies: [] as string[],
  } as unknown as Exchange;
}

function read(headers: Record<string, string[]>, secure = true): SessionCredential {
  return createCredentials({ cookie: createSessionCookie({ secure }) }).read(exchangeWith(headers));
}

test('a request without a credential has none', () => {
  const nothing = expect.objectContaining({ code: 'UNAUTHENTICATED', message: 'Sign in to continue.' });
  expect(() => read({})).toThrow(nothing);
  expect(() => read({ cookie: ['theme=dark; session=abc; __host-session=abc; __Host-session-old=abc'] })).toThrow(
    nothing,
  );
});

test('the session comes from the cookie or from Authorization: Bearer', () => {
  expect(read({ cookie: ['theme=dark; __Host-session=abc.DEF-123'] })).toEqual({ token: 'abc.DEF-123', via: 'cookie' });
  expect(read({ cookie: ['theme=dark', '__Host-session=abc'] })).toEqual({ token: 'abc', via: 'cookie' });
  expect(read({ authorization: ['Bearer abc~+/=='] })).toEqual({ token: 'abc~+/==', via: 'bearer' });
  expect(read({ authorization: ['bearer  abc'] })).toEqual({ token: 'abc', via: 'bearer' });
});

test('without Secure the cookie has no prefix, and the prefixed one is not looked at', () => {
  expect(read({ cookie: ['session=abc'] }, false)).toEqual({ token: 'abc', via: 'cookie' });
  expect(() => read({ cookie: ['__Host-session=abc'] }, false)).toThrow('Sign in to continue.');
});

test.each([
  ['a cookie and a bearer token', { cookie: ['__Host-session=abc'], authorization: ['Bearer abc'] }],
  ['two cookies in one line', { cookie: ['__Host-session=abc; __Host-session=abc'] }],
  ['two cookies in two lines', { cookie: ['__Host-session=abc', '__Host-session=def'] }],
  ['two bearer tokens', { authorization: ['Bearer abc', 'Bearer abc'] }],
  ['a cookie and a bearer token that is malformed', { cookie: ['__Host-session=abc'], authorization: ['Bearer'] }],
  ['two bearer tokens around another scheme', { authorization: ['Bearer abc', 'Basic YTpi', 'bearer abc'] }],
])('%s are refused as a bad request', (_name, headers) => {
  expect(() => read(headers)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
});

const otherSchemes = [
  'Basic YTpi',
  'basic',
  'Digest username="a"',
  'Negotiate YTpi',
  'Bearerx abc',
  'Bearer:abc',
  'abc',
  '',
];

test.each(otherSchemes)('Authorization "%s" is of another scheme, and no credential of ours', (authorization) => {
  expect(read({ authorization: [authorization], cookie: ['__Host-session=abc'] })).toEqual({
    token: 'abc',
    via: 'cookie',
  });
  expect(read({ authorization: [authorization, 'Bearer abc'] })).toEqual({ token: 'abc', via: 'bearer' });
  expect(() => read({ authorization: [authorization] })).toThrow(
    expect.objectContaining({
      code: 'UNAUTHENTICATED',
      message: 'Sign in to continue. Of "Authorization", only the scheme "Bearer" is read.',
    }),
  );
});

test('no byte but space and tab around a cookie counts as white space', () => {
  // As node:http decodes headers: a character for each byte. A semicolon ends a cookie, and an equals sign its name.
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
  for (const byte of bytes.filter((each) => each !== ';' && each !== '=')) {
    const blank = byte === ' ' || byte === '\t';
    const found = (cookie: string) => createSessionCookie({ secure: true }).values(exchangeWith({ cookie: [cookie] }));
    for (const both of [byte, byte + byte]) {
      expect([byte, found(`${both}__Host-session=abc`)]).toEqual([byte, blank ? ['abc'] : []]);
      expect([byte, found(`theme=dark; ${both}__Host-session=abc`)]).toEqual([byte, blank ? ['abc'] : []]);
      expect([byte, found(`__Host-session${both}=abc`)]).toEqual([byte, blank ? ['abc'] : []]);
      expect([byte, found(`__Host-session=${both}abc`)]).toEqual([byte, [blank ? 'abc' : `${both}abc`]]);
      expect([byte, found(`__Host-session=abc${both}; theme=dark`)]).toEqual([byte, [blank ? 'abc' : `abc${both}`]]);
    }
  }
});

test('white space without end around a cookie takes no time', () => {
  const blanks = ' \t'.repeat(500_000);
  const cookie = `${blanks}x${blanks}__Host-session${blanks}=${blanks}abc${blanks}`;
  const began = performance.now();
  createSessionCookie({ secure: true }).values(exchangeWith({ cookie: [cookie] }));
  expect(performance.now() - began).toBeLessThan(2_000);
});

test.each([
  ['no token', 'Bearer'],
  ['a tab behind the scheme', 'Bearer\tabc'],
  ['an empty token', 'Bearer '],
  ['two tokens', 'Bearer abc, Bearer def'],
  ['padding in the middle', 'Bearer ab=c'],
  ['a character outside b64token', 'Bearer abc"'],
  ['a token of 4097 characters', `Bearer ${'a'.repeat(4097)}`],
])('Authorization with %s is no session, and the answer says what it should be', (_name, authorization) => {
  expect(() => read({ authorization: [authorization] })).toThrow(
    expect.objectContaining({
      code: 'UNAUTHENTICATED',
      message: 'Authorization must be "Bearer" and a session token.',
      headers: { 'www-authenticate': 'Bearer realm="api-gateway"' },
    }),
  );
});

test.each(['', 'a b', '"abc"', 'abc%20', 'a,b', 'ä', 'a'.repeat(4097)])(
  'a session cookie that holds no token (%j) is no session, and is cleared',
  (value) => {
    const cookie = createSessionCookie({ secure: true });
    const exchange = exchangeWith({ cookie: [`__Host-session=${value}`] });
    expect(() => createCredentials({ cookie }).read(exchange)).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
    expect(exchange.setCookies).toEqual([
      '__Host-session=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    ]);
  },
);

test('the session cookie is for this host alone and ends with the session', () => {
  jest.useFakeTimers({ now: Date.UTC(2030, 0, 1) });
  const exchange = exchangeWith({});
  createSessionCookie({ secure: true }).set(exchange, 'abc', Date.UTC(2030, 0, 1, 1));
  createSessionCookie({ secure: false }).set(exchange, 'abc', Date.UTC(2030, 0, 1, 1));
  expect(exchange.setCookies).toEqual([
    '__Host-session=abc; Max-Age=3600; Path=/; Expires=Tue, 01 Jan 2030 01:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    'session=abc; Max-Age=3600; Path=/; Expires=Tue, 01 Jan 2030 01:00:00 GMT; HttpOnly; SameSite=Lax',
  ]);
  jest.useRealTimers();
});

test('what is said last of the session cookie is all that is said', () => {
  const cookie = createSessionCookie({ secure: true });
  const exchange = exchangeWith({});
  exchange.setCookies.push('other=1');
  cookie.clear(exchange);
  cookie.set(exchange, 'abc', Date.now() + 60_000);
  expect(exchange.setCookies).toEqual(['other=1', expect.stringMatching(/^__Host-session=abc;/)]);
});
