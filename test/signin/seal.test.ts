import fc from 'fast-check';
import { CompactEncrypt, decodeProtectedHeader } from 'jose';
import { createSeal } from '../../src/signin/seal';
import { anyText } from '../any-text';

const lifetime = 600_000;
const secret = 'a secret that is long enough for this';
const value = { state: 'abc', returnTo: '/orders?q=ä' };

afterEach(() => {
  jest.useRealTimers();
});

test('what was sealed unseals, and can be read by nobody else', async () => {
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  const sealed = await seal.seal(value);
  expect(sealed).toMatch(/^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
  expect(decodeProtectedHeader(sealed)).toEqual({ alg: 'dir', enc: 'A256GCM', kid: expect.stringMatching(/^.{8}$/) });
  expect(Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString()).not.toContain('orders');
  expect(await seal.unseal(sealed)).toEqual(value);
});

test('the same value never seals to the same text', async () => {
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  expect(await seal.seal(value)).not.toBe(await seal.seal(value));
});

test('a new secret in front of the old one seals, and the old one still unseals', async () => {
  const before = createSeal({ secrets: ['old'], purpose: 'test', lifetime });
  const during = createSeal({ secrets: ['new', 'old'], purpose: 'test', lifetime });
  const after = createSeal({ secrets: ['new'], purpose: 'test', lifetime });
  expect(await during.unseal(await before.seal(value))).toEqual(value);
  expect(await after.unseal(await during.seal(value))).toEqual(value);
  expect(await after.unseal(await before.seal(value))).toBeUndefined();
  expect(await before.unseal(await during.seal(value))).toBeUndefined();
});

test('what was sealed for another purpose does not unseal', async () => {
  const sealed = await createSeal({ secrets: [secret], purpose: 'other', lifetime }).seal(value);
  expect(await createSeal({ secrets: [secret], purpose: 'test', lifetime }).unseal(sealed)).toBeUndefined();
});

test('what was sealed unseals until its lifetime is over, and not then', async () => {
  const now = Date.UTC(2030, 0, 1);
  jest.useFakeTimers({ now, doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  const sealed = await seal.seal(value);
  jest.setSystemTime(now + lifetime - 1);
  expect(await seal.unseal(sealed)).toEqual(value);
  jest.setSystemTime(now + lifetime);
  expect(await seal.unseal(sealed)).toBeUndefined();
});

test('a change of any byte makes it worthless', async () => {
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  const parts = (await seal.seal(value)).split('.').map((part) => Buffer.from(part, 'base64url'));
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 1) {
      part[at]! ^= 1;
      expect(await seal.unseal(parts.map((bytes) => bytes.toString('base64url')).join('.'))).toBeUndefined();
      part[at]! ^= 1;
    }
  }
  expect(await seal.unseal(parts.map((bytes) => bytes.toString('base64url')).join('.'))).toEqual(value);
});

test('what was never sealed does not unseal, and does not throw', async () => {
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  const [header = ''] = (await seal.seal(value)).split('.');
  const text = fc.oneof(
    anyText(),
    fc.array(fc.base64String(), { minLength: 5, maxLength: 5 }).map((parts) => parts.join('.')),
    fc.array(fc.base64String(), { minLength: 3, maxLength: 3 }).map((parts) => [header, '', ...parts].join('.')),
  );
  await fc.assert(
    fc.asyncProperty(text, async (sealed) => {
      expect(await seal.unseal(sealed)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test('another algorithm is not accepted, whoever names it', async () => {
  const seal = createSeal({ secrets: [secret], purpose: 'test', lifetime });
  const { kid } = decodeProtectedHeader(await seal.seal(value));
  const forged = await new CompactEncrypt(Buffer.from('{}'))
    .setProtectedHeader({ alg: 'dir', enc: 'A128GCM', ...(kid === undefined ? {} : { kid }) })
    .encrypt(new Uint8Array(16));
  expect(await seal.unseal(forged)).toBeUndefined();
});

test('a seal without a secret is refused', () => {
  expect(() => createSeal({ secrets: [], purpose: 'test', lifetime })).toThrow('at least one secret');
});
