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
  ['a cookie and what is no bearer token', { cookie: ['__Host-session=abc'], authorization: ['Basic YTpi'] }],
])('%s are refused as a bad request', (_name, headers) => {
  expect(() => read(headers)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
});

test.each([
  ['another scheme', 'Basic YTpi'],
  ['no token', 'Bearer'],
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
