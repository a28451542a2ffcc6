import { Writer } from 'protobufjs';
import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('maps');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

/** Keys of every type at the ends of its range, as GraphQL has them. */
const keys = {
  int32s: [-2147483648, 0, 2147483647],
  sint32s: [-2147483648, 0, 2147483647],
  sfixed32s: [-2147483648, 0, 2147483647],
  uint32s: [0, 4294967295],
  fixed32s: [0, 4294967295],
  int64s: ['-9223372036854775808', '-1', '0', '9223372036854775807', '12345678'],
  sint64s: ['-9223372036854775808', '0', '9223372036854775807'],
  sfixed64s: ['-9223372036854775808', '0', '9223372036854775807'],
  uint64s: ['0', '18446744073709551615', '9007199254740993'],
  fixed64s: ['0', '18446744073709551615'],
  bools: [false, true],
  strings: ['', 'a', '__proto__', 'constructor', 'toString', 'ünïcödé 😀', '0', '-1'],
} as const;

type Keys = Record<string, readonly unknown[]>;
const kinds = Object.keys(keys);
const asEntries = (from: Keys) =>
  Object.fromEntries(
    Object.entries(from).map(([kind, each]) => [kind, each.map((key) => ({ key, value: `of ${String(key)}` }))]),
  );
const asJson = (from: Keys) =>
  Object.fromEntries(
    Object.entries(from).map(([kind, each]) => [
      kind,
      Object.fromEntries(each.map((key) => [String(key), `of ${String(key)}`])),
    ]),
  );
/** Maps have no order: sorted, they can be compared. */
const sorted = (maps: Record<string, { key: unknown }[]>) =>
  Object.fromEntries(
    Object.entries(maps).map(([kind, entries]) => [
      kind,
      [...entries].sort((a, b) => (String(a.key) < String(b.key) ? -1 : 1)),
    ]),
  );

/** The bytes of the messages that the two maps of one kind are, each with one entry. */
function entry(field: number, writeKey: (writer: Writer) => Writer, value: string): Buffer {
  return writeKey(
    Writer.create()
      .uint32((field << 3) | 2)
      .fork(),
  )
    .uint32((2 << 3) | 2)
    .string(value)
    .ldelim()
    .finish() as Buffer;
}

describe('keys of every type', () => {
  const selection = kinds.map((kind) => `${kind} { key value }`).join(' ');

  test('go both ways as a list of entries', async () => {
    const input = asEntries(keys);
    const { keys: out } = await lab.data(`query ($input: KeysInput) { keys(input: $input) { ${selection} } }`, {
      input,
    });
    expect(sorted(out)).toEqual(sorted(input as never));
  });

  test('go both ways as JSON', async () => {
    const input = asJson(keys);
    expect(
      await lab.data(`query ($input: KeysAsJsonInput) { keysAsJson(input: $input) { ${kinds.join(' ')} } }`, { input }),
    ).toEqual({ keysAsJson: input });
  });

  test.each([
    ['int32s', { key: -1, value: 'x' }, entry(1, (w) => w.uint32(8).int32(-1), 'x')],
    ['sint32s', { key: -1, value: 'x' }, entry(2, (w) => w.uint32(8).sint32(-1), 'x')],
    ['sfixed32s', { key: -1, value: 'x' }, entry(3, (w) => w.uint32(13).sfixed32(-1), 'x')],
    ['uint32s', { key: 4294967295, value: 'x' }, entry(4, (w) => w.uint32(8).uint32(4294967295), 'x')],
    ['int64s', { key: '-2', value: 'x' }, entry(6, (w) => w.uint32(8).int64(-2), 'x')],
    ['uint64s', { key: '18446744073709551615', value: 'x' }, entry(9, (w) => w.uint32(8).int64(-1), 'x')],
    ['fixed64s', { key: '1', value: 'x' }, entry(10, (w) => w.uint32(9).fixed64(1), 'x')],
    ['bools', { key: true, value: 'x' }, entry(11, (w) => w.uint32(8).bool(true), 'x')],
    ['bools', { key: false, value: 'x' }, entry(11, (w) => w.uint32(8).bool(false), 'x')],
    ['strings', { key: '__proto__', value: 'x' }, entry(12, (w) => w.uint32(10).string('__proto__'), 'x')],
  ])('are on the wire as they must be: %s %j', async (kind, each, bytes) => {
    let arrived: Buffer | undefined;
    lab.upstreams.answer('Maps.Echo', (_, received) => {
      arrived = received.bytes;
      return bytes;
    });
    const document = `query ($input: KeysInput) { keys(input: $input) { ${kind} { key value } } }`;
    expect(await lab.data(document, { input: { [kind]: [each] } })).toEqual({ keys: { [kind]: [each] } });
    expect(arrived?.toString('hex')).toBe(bytes.toString('hex'));
  });

  test('an entry without key or value has the defaults', async () => {
    const empty = (field: number) =>
      Writer.create()
        .uint32((field << 3) | 2)
        .bytes(new Uint8Array())
        .finish();
    lab.upstreams.answer('Maps.Echo', () => Buffer.concat([1, 6, 9, 11, 12].map(empty)));
    expect(
      await lab.data(
        '{ keys { int32s { key value } int64s { key value } uint64s { key } bools { key } strings { key } } }',
      ),
    ).toEqual({
      keys: {
        int32s: [{ key: 0, value: '' }],
        int64s: [{ key: '0', value: '' }],
        uint64s: [{ key: '0' }],
        bools: [{ key: false }],
        strings: [{ key: '' }],
      },
    });
    expect(await lab.data('{ keysAsJson { int32s int64s bools strings } }')).toEqual({
      keysAsJson: { int32s: { 0: '' }, int64s: { 0: '' }, bools: { false: '' }, strings: { '': '' } },
    });
  });

  test('maps that are not there are empty, and go in as nothing', async () => {
    const { keys: out } = await lab.data(`{ keys(input: { strings: [], bools: null }) { ${selection} } }`);
    expect(out).toEqual(Object.fromEntries(kinds.map((kind) => [kind, []])));
    expect(lab.upstreams.request('Maps.Echo')).toEqual({});
    const json = await lab.data(`{ keysAsJson(input: { strings: {}, bools: null }) { ${kinds.join(' ')} } }`);
    expect(json).toEqual({ keysAsJson: Object.fromEntries(kinds.map((kind) => [kind, {}])) });
  });

  test('by arguments, and selected out of a response', async () => {
    const { mapsByArguments } = await lab.data(
      '{ mapsByArguments(strings: { a: "b" }, bools: [{ key: true, value: "c" }]) { strings { key value } bools { key } } }',
    );
    expect(mapsByArguments).toEqual({ strings: [{ key: 'a', value: 'b' }], bools: [{ key: true }] });
    lab.upstreams.answer('Maps.Echo', () => ({ strings: { a: 'b' } }));
    expect(await lab.data('{ strings { key value } }')).toEqual({ strings: [{ key: 'a', value: 'b' }] });
  });

  test.each([
    [
      'keys',
      'KeysInput',
      {
        strings: [
          { key: 'a', value: '' },
          { key: 'a', value: '' },
        ],
      },
      'input.strings[1]',
      'has a key that another has too',
    ],
    [
      'keys',
      'KeysInput',
      {
        int64s: [
          { key: '1', value: '' },
          { key: '01', value: '' },
        ],
      },
      'input.int64s[1]',
      'has a key that another has too',
    ],
    [
      'keys',
      'KeysInput',
      {
        bools: [
          { key: false, value: '' },
          { key: false, value: '' },
        ],
      },
      'input.bools[1]',
      'has a key that another has too',
    ],
    [
      'keys',
      'KeysInput',
      { uint32s: [{ key: -1, value: '' }] },
      'input.uint32s[0].key',
      'does not fit 0 to 4294967295',
    ],
    [
      'keys',
      'KeysInput',
      { uint64s: [{ key: '-1', value: '' }] },
      'input.uint64s[0].key',
      'does not fit an unsigned 64-bit number',
    ],
    ['keysAsJson', 'KeysAsJsonInput', { bools: { yes: '' } }, 'input.bools.yes', 'is no key: it can be true and false'],
    ['keysAsJson', 'KeysAsJsonInput', { int32s: { a: '' } }, 'input.int32s.a', 'is not a whole number of 32 bits'],
    [
      'keysAsJson',
      'KeysAsJsonInput',
      { int64s: { '9223372036854775808': '' } },
      'input.int64s.9223372036854775808',
      'does not fit a signed 64-bit number',
    ],
    ['keysAsJson', 'KeysAsJsonInput', { strings: { a: 1 } }, 'input.strings.a', 'is not text'],
    ['keysAsJson', 'KeysAsJsonInput', { strings: { a: null } }, 'input.strings.a', 'is not text'],
    ['keysAsJson', 'KeysAsJsonInput', { strings: [] }, 'input.strings', 'is not a JSON object'],
    ['keysAsJson', 'KeysAsJsonInput', { strings: 'a' }, 'input.strings', 'is not a JSON object'],
  ])('%s refuses %#', async (field, type, input, at, why) => {
    const { errors } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) { __typename } }`, {
      input,
    });
    expect(errors).toMatchObject([
      { message: `${at}: ${why}.`, extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field: at }] } },
    ]);
    expect(lab.upstreams.control.count('Maps.Echo')).toBe(0);
  });
});

describe('values of every kind', () => {
  const json = {
    int64s: { max: '9223372036854775807' },
    uint32s: { max: 4294967295 },
    doubles: { tenth: 0.1 },
    bools: { yes: true, no: false },
    bytes: { some: 'AAE=', none: '' },
    moods: { m: 'MOOD_SAD' },
    items: { a: { name: 'A', items: { b: { name: 'B', items: {} } } } },
    times: { t: '2026-01-31T12:00:00.000000001Z' },
    json: { n: null, o: { list: [1, 'two', null, false] }, t: 'text' },
    byId: { '-9223372036854775808': { name: 'least', items: {} } },
  };
  const lists = {
    int64s: [{ key: 'max', value: '9223372036854775807' }],
    uint32s: [{ key: 'max', value: '4294967295' }],
    doubles: [{ key: 'tenth', value: 0.1 }],
    bools: [
      { key: 'yes', value: true },
      { key: 'no', value: false },
    ],
    bytes: [
      { key: 'some', value: 'AAE=' },
      { key: 'none', value: '' },
    ],
    moods: [{ key: 'm', value: 'SAD' }],
    items: [{ key: 'a', value: { name: 'A', items: [{ key: 'b', value: { name: 'B', items: [] } }] } }],
    times: [{ key: 't', value: '2026-01-31T12:00:00.000000001Z' }],
    json: [
      { key: 'n', value: null },
      { key: 'o', value: { list: [1, 'two', null, false] } },
      { key: 't', value: 'text' },
    ],
    byId: [{ key: '-9223372036854775808', value: { name: 'least', items: [] } }],
  };
  const item = '{ key value { name items { key value { name items { key } } } } }';
  const selection = `int64s { key value } uint32s { key value } doubles { key value } bools { key value }
    bytes { key value } moods { key value } items ${item} times { key value } json { key value } byId ${item}`;

  test('go both ways as a list of entries', async () => {
    expect(
      await lab.data(`query ($input: ValuesInput) { values(input: $input) { ${selection} } }`, { input: lists }),
    ).toEqual({ values: lists });
  });

  test('go both ways as JSON, and arrive as the same message', async () => {
    const names = Object.keys(json).join(' ');
    const document = `query ($input: ValuesAsJsonInput) { valuesAsJson(input: $input) { ${names} } }`;
    expect(await lab.data(document, { input: json })).toEqual({ valuesAsJson: json });
    const asWritten = lab.upstreams.request('Maps.EchoValues');
    await lab.data('query ($input: ValuesInput) { values(input: $input) { __typename } }', { input: lists });
    expect(lab.upstreams.request('Maps.EchoValues')).toEqual(asWritten);
  });

  test('a message that was left out of its entry is the empty one', async () => {
    const key = Writer.create().uint32(10).string('k').finish();
    lab.upstreams.answer('Maps.EchoValues', () =>
      Buffer.concat(
        [6, 7, 8, 9].map((field) =>
          Writer.create()
            .uint32((field << 3) | 2)
            .bytes(key)
            .finish(),
        ),
      ),
    );
    expect(
      await lab.data('{ values { moods { value } items { value { name } } times { value } json { value } } }'),
    ).toEqual({
      values: {
        moods: [{ value: null }],
        items: [{ value: { name: '' } }],
        times: [{ value: '1970-01-01T00:00:00Z' }],
        json: [{ value: null }],
      },
    });
  });

  test('what cannot be shown is an error of its entry alone', async () => {
    lab.upstreams.answer('Maps.EchoValues', () => ({
      uint32s: { a: 1, b: 4294967295 },
      doubles: { a: Number.NaN, b: 1 },
      moods: { a: 9, b: 1 },
    }));
    const { data, errors } = await lab.graphql(
      '{ values { uint32sAsInt { key value } doubles { key value } moods { key value } } }',
    );
    expect(data).toEqual({
      values: {
        uint32sAsInt: [
          { key: 'a', value: 1 },
          { key: 'b', value: null },
        ],
        doubles: [
          { key: 'a', value: null },
          { key: 'b', value: 1 },
        ],
        moods: [
          { key: 'a', value: null },
          { key: 'b', value: 'GLAD' },
        ],
      },
    });
    expect(errors?.map(({ path }) => path)).toEqual([
      ['values', 'uint32sAsInt', 1, 'value'],
      ['values', 'doubles', 0, 'value'],
      ['values', 'moods', 0, 'value'],
    ]);
  });

  test.each([
    ['values', 'ValuesInput', { int64s: [{ key: 'a', value: null }] }, 'input.int64s[0]', 'has no value'],
    ['values', 'ValuesInput', { int64s: [{ key: 'a' }] }, 'input.int64s[0]', 'has no value'],
    ['values', 'ValuesInput', { bytes: [{ key: 'a', value: '@' }] }, 'input.bytes[0].value', 'is not base64'],
    [
      'values',
      'ValuesInput',
      {
        items: [
          {
            key: 'a',
            value: {
              items: [
                { key: 'b', value: {} },
                { key: 'b', value: {} },
              ],
            },
          },
        ],
      },
      'input.items[0].value.items[1]',
      'has a key that another has too',
    ],
    ['valuesAsJson', 'ValuesAsJsonInput', { moods: { a: 'SAD' } }, 'input.moods.a', 'is no value of Mood'],
    ['valuesAsJson', 'ValuesAsJsonInput', { moods: { a: 'constructor' } }, 'input.moods.a', 'is no value of Mood'],
    ['valuesAsJson', 'ValuesAsJsonInput', { moods: { a: '1' } }, 'input.moods.a', 'is no value of Mood'],
    [
      'valuesAsJson',
      'ValuesAsJsonInput',
      { items: { a: { toString: 1 } } },
      'input.items.a',
      'has "toString", which Item has not',
    ],
    [
      'valuesAsJson',
      'ValuesAsJsonInput',
      { items: { a: { items: { b: { name: 5 } } } } },
      'input.items.a.items.b.name',
      'is not text',
    ],
    [
      'valuesAsJson',
      'ValuesAsJsonInput',
      { times: { t: 5 } },
      'input.times.t',
      'is not a date and time as in RFC 3339',
    ],
    ['valuesAsJson', 'ValuesAsJsonInput', { doubles: { d: '1' } }, 'input.doubles.d', 'is not a number'],
  ])('%s refuses %#', async (field, type, input, at, why) => {
    const { errors } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) { __typename } }`, {
      input,
    });
    expect(errors).toMatchObject([
      { message: `${at}: ${why}.`, extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field: at }] } },
    ]);
  });
});
