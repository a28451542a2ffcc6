import * as fc from 'fast-check';
import { parse, type Field, type Message, type Type } from 'protobufjs';
import { asSent } from '../../src/internals/protobufjs';
import { ItemCounter } from '../../src/proto/decoded-items';

const text = `
  syntax = "proto2";
  enum Color { NONE = 0; RED = 1; BLUE = 2000; }
  message Empty {}
  message All {
    optional int32 i = 1;
    optional sint64 l = 2;
    optional double d = 3;
    optional fixed32 f = 4;
    optional string s = 5;
    optional bytes y = 6;
    optional bool b = 7;
    optional Color c = 8;
    optional All one = 9;
    repeated All many = 10;
    repeated Empty empty = 11;
    repeated int64 packed = 12 [packed = true];
    repeated double doubles = 13 [packed = true];
    repeated float floats = 14 [packed = true];
    repeated uint32 unpacked = 15;
    repeated string texts = 16;
    repeated bytes blobs = 5000;
    repeated Color colors = 18 [packed = true];
    map<string, int32> counts = 19;
    map<int64, All> by_id = 20;
    map<bool, Color> by_flag = 21;
    oneof choice { string text = 22; All message = 23; int32 number = 24; }
    optional group Legacy = 25 { optional int32 a = 1; repeated int32 list = 2; optional All inner = 3; }
    repeated group Legacies = 26 { repeated Empty empty = 1; }
  }`;
const { root } = parse(text, { keepCase: true });
asSent(root);
const all = root.lookupType('All');
const counter = new ItemCounter(all);

/** What the decoder made, walked over. */
function itemsOf(type: Type, message: Message): number {
  const of = (field: Field, value: unknown): number => {
    const { resolvedType } = field.resolve();
    return resolvedType && 'fieldsArray' in resolvedType ? itemsOf(resolvedType, value as Message) : 1;
  };
  let count = 1;
  for (const field of type.fieldsArray) {
    if (!Object.hasOwn(message, field.name)) continue;
    const value = (message as unknown as Record<string, unknown>)[field.name];
    if (field.map) {
      const values = Object.values(value as object);
      count += 1 + values.reduce<number>((sum, each) => sum + 1 + of(field, each), 0);
    } else if (field.repeated) {
      count += 1 + (value as unknown[]).reduce<number>((sum, each) => sum + of(field, each), 0);
    } else {
      count += of(field, value);
    }
  }
  return count;
}

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }).map(Number);
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const color = fc.constantFrom(0, 1, 2000, 7);
const list = <T>(items: fc.Arbitrary<T>) => fc.array(items, { maxLength: 4 });
const empties = list(fc.constant({}));

/** A message as an object, with messages in it down to some depth. */
function messages(depth: number): fc.Arbitrary<object> {
  const scalars = {
    i: int32,
    l: int64,
    d: fc.double(),
    f: fc.nat(),
    s: fc.string(),
    y: bytes,
    b: fc.boolean(),
    c: color,
    empty: empties,
    packed: list(int64),
    doubles: list(fc.double()),
    floats: list(fc.float()),
    unpacked: list(fc.nat()),
    texts: list(fc.string()),
    blobs: list(bytes),
    colors: list(color),
    counts: fc.dictionary(
      fc.string({ maxLength: 5 }).filter((key) => key !== '__proto__'),
      int32,
      { maxKeys: 5 },
    ),
    by_flag: fc.dictionary(fc.constantFrom('true', 'false'), color),
    text: fc.string(),
    legacies: list(fc.record({ empty: empties })),
  };
  if (depth === 0) return fc.record(scalars, { requiredKeys: [] });
  const inner = messages(depth - 1);
  const nested = {
    one: inner,
    many: fc.array(inner, { maxLength: 2 }),
    by_id: fc.dictionary(fc.nat().map(String), inner, { maxKeys: 2 }),
    legacy: fc.record({ a: int32, list: list(int32), inner }, { requiredKeys: [] }),
  };
  return fc.record({ ...scalars, ...nested }, { requiredKeys: [] });
}

const written = messages(2).map((value) => Buffer.from(all.encode(all.fromObject(value)).finish()));

test('the items that are counted are those that protobufjs then makes, for any message', () => {
  fc.assert(
    fc.property(written, (encoded) => {
      const items = itemsOf(all, all.decode(encoded));
      expect(counter.count(encoded)).toBe(items);
      expect(counter.exceeds(encoded, items)).toBe(false);
      expect(counter.exceeds(encoded, items - 1)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('what is repeated on the wire counts each time, and what is unknown does not', () => {
  const unknown = root.lookupType('Empty');
  fc.assert(
    fc.property(written, written, (one, other) => {
      const both = Buffer.concat([one, other]);
      expect(counter.count(both)).toBeGreaterThanOrEqual(itemsOf(all, all.decode(both)));
      expect(counter.count(both)).toBe(counter.count(one) + counter.count(other) - counter.count(Buffer.alloc(0)));
      expect(new ItemCounter(unknown).count(both)).toBe(1);
    }),
    { numRuns: 100 },
  );
});

test('whatever the bytes are, what can be decoded has no more items than were counted', () => {
  const mutated = fc.tuple(written, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat());
  let decoded = 0;
  const check = (wire: Buffer): void => {
    const count = counter.count(wire);
    let read: Message;
    try {
      read = all.decode(wire);
    } catch {
      return;
    }
    decoded += 1;
    expect(count).toBeGreaterThanOrEqual(itemsOf(all, read));
  };
  fc.assert(
    fc.property(mutated, fc.uint8Array({ maxLength: 40 }), ([encoded, changes, cut], noise) => {
      const wire = Buffer.from(encoded);
      for (const [at, byte] of changes) if (wire.length > 0) wire[at % wire.length] = byte;
      check(wire);
      check(wire.subarray(0, cut % (wire.length + 1)));
      check(Buffer.from(noise));
    }),
    { numRuns: 1_000 },
  );
  expect(decoded).toBeGreaterThan(100);
});

test.each([
  ['messages', Buffer.from([0x5a, 0])],
  ['messages with lists', Buffer.from([0x52, 0])],
  ['entries of maps', Buffer.from([0xa2, 1, 0])],
  ['groups', Buffer.from([0xd3, 1, 0xd4, 1])],
  ['unpacked numbers', Buffer.from([0x78, 0])],
  ['texts', Buffer.from([0x82, 1, 0])],
])('millions of empty %s are counted up to the bound and no further', (_what, item) => {
  const wire = Buffer.alloc(item.length * 1_000_000, item);
  expect(counter.exceeds(wire, 500_000)).toBe(true);
  expect(counter.count(wire, 500_000)).toBeLessThan(500_100);
});

test('a packed list counts its items, and a message that cannot have so many is not read at all', () => {
  const length = 1_000_000;
  const head = Buffer.from([0x62, 0xc0, 0x84, 0x3d]);
  expect(counter.count(Buffer.concat([head, Buffer.alloc(length)]))).toBe(length + counter.count(Buffer.alloc(0)));
  // No bytes at all, which would throw if they were read.
  const unread = { length: 1_000 } as Uint8Array;
  expect(counter.exceeds(unread, 100_000)).toBe(false);
});
