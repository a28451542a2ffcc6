import { parse, type MapField, type Root } from 'protobufjs';
import { asSent, entryFields, isGroup, newMessage, parseFile } from '../../src/internals/protobufjs';

function rootOf(text: string): Root {
  return parse(text, { keepCase: true }).root;
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

describe('asSent', () => {
  const closed = `
    syntax = "proto2";
    enum Size { SMALL = 1; LARGE = 2; }
    message Box {
      optional Size one = 1;
      repeated Size some = 2;
      repeated Size packed = 3 [packed = true];
      map<string, Size> by_name = 4;
    }`;
  // 9 is no Size.
  const boxes = bytes('08 09  10 01 10 09  1a 02 01 09  22 05 0a 01 61 10 09');

  test('numbers that a closed enum does not have are read, in every place', () => {
    const box = asSent(rootOf(closed)).lookupType('Box').decode(boxes);
    expect(box).toEqual({ one: 9, some: [1, 9], packed: [1, 9], by_name: { a: 9 } });
  });

  test('protobufjs alone would drop them', () => {
    expect(rootOf(closed).lookupType('Box').decode(boxes)).toEqual({ some: [1], packed: [1], by_name: {} });
  });

  const implicit = `
    syntax = "proto3";
    enum Color { NONE = 0; RED = 1; }
    message All {
      int32 i = 1; int64 l = 2; bool b = 3; string s = 4; bytes y = 5; double d = 6; Color c = 7;
      optional int32 o = 8;
    }`;
  const zeros = { i: 0, l: 0, b: false, s: '', y: Buffer.alloc(0), d: 0, c: 0 };

  test('zeros of fields without presence are written where they are given, and read where they are there', () => {
    const type = asSent(rootOf(implicit)).lookupType('All');
    const written = Buffer.from(type.encode(zeros).finish());
    expect(written.toString('hex')).toBe('08001000180022002a003100000000000000003800');
    expect(Object.keys(type.decode(written))).toEqual(Object.keys(zeros));
    expect(type.encode({}).finish()).toHaveLength(0);
  });

  test('protobufjs alone would write none of them', () => {
    expect(rootOf(implicit).lookupType('All').encode(zeros).finish()).toHaveLength(0);
  });

  test('text that is not UTF-8 is read with replacement characters', () => {
    const type = asSent(rootOf(implicit)).lookupType('All');
    expect(type.decode(bytes('22 02 ff 41'))).toMatchObject({ s: '\ufffdA' });
    expect(type.decode(bytes(`22 41 ff ${'41'.repeat(64)}`))).toMatchObject({ s: `\ufffd${'A'.repeat(64)}` });
  });

  test('protobufjs alone would refuse the message', () => {
    expect(() => rootOf(implicit).lookupType('All').decode(bytes('22 02 ff 41'))).toThrow();
  });

  test('fields still tell what the proto says, before and after the codec is made', () => {
    const type = asSent(rootOf(implicit)).lookupType('All');
    const presence = (): boolean[] => ['i', 'c', 'o'].map((name) => Boolean(type.fields[name]?.hasPresence));
    expect(presence()).toEqual([false, false, true]);
    type.encode({ i: 1 }).finish();
    expect(presence()).toEqual([false, false, true]);
  });

  test('what is required stays required', () => {
    const type = asSent(rootOf('syntax = "proto2"; message A { required int32 i = 1; }')).lookupType('A');
    expect(() => type.decode(new Uint8Array())).toThrow("missing required 'i'");
  });
});

describe('parseFile', () => {
  const text =
    'syntax = "proto3"; package p; message A { string a = 1; } enum E { Z = 0; } service S { rpc R(A) returns (A); }';

  test('gives the objects their file', () => {
    const { root } = parse('');
    parseFile(text, root, 'dir/a.proto');
    const { fields, filename } = root.lookupType('p.A');
    const service = root.lookupService('p.S');
    expect([
      filename,
      fields['a']?.filename,
      root.lookupEnum('p.E').filename,
      service.filename,
      service.methods['R']?.filename,
    ]).toEqual(Array(5).fill('dir/a.proto'));
  });

  test('leaves none to what is parsed next, even if it fails', () => {
    for (const broken of ['what', 'message A {} message A {}']) {
      expect(() => parseFile(broken, parse('').root, 'a.proto')).toThrow();
      expect(rootOf(text).lookupType('p.A').filename).toBeNull();
    }
  });

  test('keeps names, and comments of any kind', () => {
    const { root } = parse('');
    parseFile('syntax = "proto3"; \n// Two\n// lines.\nmessage A { string a_b = 1; }', root, 'a.proto');
    expect(root.lookupType('A').comment).toBe('Two\nlines.');
    expect(Object.keys(root.lookupType('A').fields)).toEqual(['a_b']);
  });
});

test('isGroup tells groups from other messages, delimited ones among them', () => {
  const groups = rootOf('syntax = "proto2"; message A { optional group MyGroup = 1 {} message Other {} }').lookupType(
    'A',
  );
  expect(isGroup(groups.nested?.['MyGroup'])).toBe(true);
  expect(isGroup(groups.nested?.['Other'])).toBe(false);
  const root = rootOf('edition = "2023"; message A { A a = 1 [features.message_encoding = DELIMITED]; }').resolveAll();
  expect((root as Root).lookupType('A').fields['a']?.delimited).toBe(true);
  expect(isGroup((root as Root).lookupType('A'))).toBe(false);
  expect(isGroup(undefined)).toBe(false);
});

test('entryFields are resolved, and their message knows nothing of them', () => {
  const root = rootOf('syntax = "proto3"; message A { map<uint64, B> all = 1; } message B { int32 i = 1; }');
  root.resolveAll();
  const type = root.lookupType('A');
  const map = type.fields['all'] as unknown as MapField;
  const before = type.create();
  const { key, value } = entryFields(map);
  expect(key.resolve()).toMatchObject({ name: 'key', type: 'uint64', resolvedType: null });
  expect(value.resolve().resolvedType).toBe(root.lookupType('B'));
  expect([key.parent, value.parent]).toEqual([type, type]);
  expect(Object.keys(type.fields)).toEqual(['all']);
  expect('key' in before || 'value' in before).toBe(false);
});

describe('newMessage', () => {
  const type = asSent(
    rootOf('syntax = "proto2"; message A { repeated string constructor = 1; repeated string toString = 2; }'),
  ).lookupType('A');

  test('has no fields but its own', () => {
    expect(type.encode(newMessage()).finish()).toHaveLength(0);
    const message = newMessage();
    message['constructor'] = ['a'];
    expect(type.decode(type.encode(message).finish())).toEqual({ constructor: ['a'], toString: [] });
    expect(newMessage()).not.toHaveProperty('constructor');
  });

  test('an ordinary object could not be written', () => {
    expect(() => type.encode({}).finish()).toThrow();
  });
});
