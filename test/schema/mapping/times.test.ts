import * as fc from 'fast-check';
import { textToTimestamp, timestampToText } from '../../../src/proto/times';

/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z (timestamp.proto). */
const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 });

test('a timestamp is the text that Date makes of it', () => {
  const days = fc.integer({ min: -719_162, max: 2_932_896 }).map((day) => day * 86_400);
  fc.assert(
    fc.property(fc.oneof(seconds, days), (at) => {
      expect(timestampToText({ seconds: at, nanos: 0 })).toBe(new Date(at * 1000).toISOString().replace('.000', ''));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  [-62_135_596_800, '0001-01-01T00:00:00Z'],
  [253_402_300_799, '9999-12-31T23:59:59Z'],
  [-1, '1969-12-31T23:59:59Z'],
  [951_782_400, '2000-02-29T00:00:00Z'],
  [4_107_542_400, '2100-03-01T00:00:00Z'],
])('%d s is %s', (at, text) => {
  expect(timestampToText({ seconds: at, nanos: 0 })).toBe(text);
});

test('a timestamp is read again from its text', () => {
  fc.assert(
    fc.property(seconds, fc.integer({ min: 0, max: 999_999_999 }), (at, nanos) => {
      const { seconds: read, nanos: readNanos } = textToTimestamp(timestampToText({ seconds: at, nanos }));
      expect([Number(read), readNanos]).toEqual([at, nanos]);
    }),
  );
});
