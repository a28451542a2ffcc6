import { until } from '../../gateway-fixture';
import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('numbers');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

const longs = ['int64', 'sint64', 'sfixed64', 'uint64', 'fixed64'] as const;
const signed = { min: '-9223372036854775808', max: '9223372036854775807' };
const unsigned = { min: '0', max: '18446744073709551615' };
const rangeOf = (kind: string) => (kind === 'uint64' || kind === 'fixed64' ? unsigned : signed);

/** What an upstream's answer reads as. */
async function read(field: string, selection: string, message: object) {
  lab.upstreams.answer('Numbers.Echo', () => message);
  const { data, errors } = await lab.graphql(`{ ${field} { ${selection} } }`);
  return { value: data[field], errors };
}

/** What arrives of an input: what is on the wire. */
async function write(field: string, type: string, input: object) {
  const { data, errors } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) { __typename } }`, {
    input,
  });
  return { request: lab.upstreams.request('Numbers.Echo'), data, errors };
}

const refused = (field: string, description: RegExp | string) => [
  {
    message: expect.stringMatching(description),
    extensions: {
      code: 'BAD_USER_INPUT',
      fieldViolations: [{ field, description: expect.stringMatching(description) }],
    },
  },
];

describe('whole numbers of 64 bits', () => {
  test.each(['scalars', 'scalarsAsText', 'scalarsAsId'])('keep every digit on their way out as %s', async (field) => {
    for (const end of ['min', 'max'] as const) {
      const message = Object.fromEntries(longs.map((kind) => [kind, rangeOf(kind)[end]]));
      expect(await read(field, longs.join(' '), message)).toEqual({ value: message, errors: undefined });
    }
  });

  test.each([
    ['scalars', 'ScalarsInput'],
    ['scalarsAsText', 'ScalarsAsTextInput'],
    ['scalarsAsId', 'ScalarsAsIdInput'],
  ])('keep every digit on their way in as %s', async (field, type) => {
    for (const end of ['min', 'max'] as const) {
      const input = Object.fromEntries(longs.map((kind) => [kind, rangeOf(kind)[end]]));
      expect((await write(field, type, input)).request).toEqual(input);
    }
  });

  test('keep every digit as literals of a document', async () => {
    expect(
      await lab.data(`{ scalars(input: { int64: ${signed.min}, uint64: ${unsigned.max} }) { int64 uint64 } }`),
    ).toEqual({ scalars: { int64: signed.min, uint64: unsigned.max } });
  });

  test('go in as numbers too, as long as JSON has not rounded them', async () => {
    expect((await write('scalars', 'ScalarsInput', { int64: Number.MAX_SAFE_INTEGER })).request).toEqual({
      int64: '9007199254740991',
    });
    const { errors } = await write('scalars', 'ScalarsInput', { uint64: 2 ** 53 });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(lab.upstreams.control.count('Numbers.Echo')).toBe(1);
  });

  test('as Int are an error of their field alone where they do not fit', async () => {
    const { value, errors } = await read('scalarsAsInt', longs.join(' '), {
      int64: '2147483647',
      sint64: '-2147483648',
      sfixed64: '2147483648',
      uint64: unsigned.max,
      fixed64: '0',
    });
    expect(value).toEqual({ int64: 2147483647, sint64: -2147483648, sfixed64: null, uint64: null, fixed64: 0 });
    expect(errors).toMatchObject([
      { path: ['scalarsAsInt', 'sfixed64'], extensions: { code: 'UPSTREAM_ERROR' } },
      { path: ['scalarsAsInt', 'uint64'], extensions: { code: 'UPSTREAM_ERROR' } },
    ]);
    const line = await until(
      () => lab.logs.find(({ msg }) => msg === 'a value of an upstream cannot be shown'),
      (found) => found !== undefined,
    );
    // One a second at most, and never the value.
    expect(line).toMatchObject({ level: 'warn', reason: 'a number does not fit Int: BigInt holds 64 bits' });
    expect(line!['field']).toMatch(/^[a-z]+\d+$/);
    expect(JSON.stringify(line)).not.toContain('2147483648');
  });

  test('as Float are an error of their field alone where digits would be lost', async () => {
    const { value, errors } = await read('scalarsAsFloat', longs.join(' '), {
      int64: '9007199254740991',
      sint64: '-9007199254740991',
      sfixed64: '9007199254740992',
      uint64: '9007199254740993',
      fixed64: '12',
    });
    expect(value).toEqual({
      int64: Number.MAX_SAFE_INTEGER,
      sint64: Number.MIN_SAFE_INTEGER,
      sfixed64: null,
      uint64: null,
      fixed64: 12,
    });
    expect(errors?.map(({ path }) => path)).toEqual([
      ['scalarsAsFloat', 'sfixed64'],
      ['scalarsAsFloat', 'uint64'],
    ]);
  });

  test('come in as Int and as Float', async () => {
    const ints = { int64: -5, sint64: 2147483647, sfixed64: -2147483648, uint64: 7, fixed64: 0 };
    const arrived = Object.fromEntries(Object.entries(ints).map(([kind, value]) => [kind, String(value)]));
    expect((await write('scalarsAsInt', 'ScalarsAsIntInput', ints)).request).toEqual(arrived);
    expect((await write('scalarsAsFloat', 'ScalarsAsFloatInput', ints)).request).toEqual(arrived);
  });

  test.each([
    ['scalars', 'ScalarsInput', { int64: '9223372036854775808' }, /does not fit a signed 64-bit number/],
    ['scalars', 'ScalarsInput', { sfixed64: '-9223372036854775809' }, /does not fit|BigInt/],
    ['scalars', 'ScalarsInput', { uint64: '-1' }, /does not fit an unsigned 64-bit number/],
    ['scalarsAsText', 'ScalarsAsTextInput', { fixed64: '18446744073709551616' }, /does not fit an unsigned/],
    ['scalarsAsText', 'ScalarsAsTextInput', { int64: '1.5' }, /is not a whole number/],
    ['scalarsAsText', 'ScalarsAsTextInput', { int64: '0x10' }, /is not a whole number/],
    ['scalarsAsText', 'ScalarsAsTextInput', { int64: '' }, /is not a whole number/],
    ['scalarsAsId', 'ScalarsAsIdInput', { uint64: 'abc' }, /is not a whole number/],
    ['scalarsAsInt', 'ScalarsAsIntInput', { uint64: -1 }, /does not fit an unsigned/],
    ['scalarsAsFloat', 'ScalarsAsFloatInput', { int64: 0.5 }, /is not a whole number/],
    ['scalarsAsFloat', 'ScalarsAsFloatInput', { int64: 2 ** 53 }, /is not exact as a number/],
    ['scalarsAsFloat', 'ScalarsAsFloatInput', { int64: 1e300 }, /is not a whole number/],
  ])('%s refuses what does not fit: %s %j', async (field, type, input, why) => {
    const { errors, request } = await write(field, type, input);
    expect(errors).toMatchObject([{ message: expect.stringMatching(why), extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(request).toBeUndefined();
  });

  test('a refusal names the argument and the field', async () => {
    const { errors } = await write('scalarsAsText', 'ScalarsAsTextInput', { int64: '9', uint64: '-1' });
    expect(errors).toMatchObject(refused('input.uint64', 'does not fit an unsigned 64-bit number'));
    expect(errors?.[0]?.message).toBe('input.uint64: does not fit an unsigned 64-bit number.');
  });

  test('are selected out of a response at the root', async () => {
    lab.upstreams.answer('Numbers.Echo', () => ({ int64: signed.min }));
    const { data, errors } = await lab.graphql('{ int64 int64AsInt }');
    expect(data).toEqual({ int64: signed.min, int64AsInt: null });
    expect(errors).toMatchObject([{ path: ['int64AsInt'], extensions: { code: 'UPSTREAM_ERROR' } }]);
  });
});

describe('whole numbers of 32 bits', () => {
  const ends = [
    { int32: -2147483648, sint32: -2147483648, sfixed32: -2147483648, uint32: 0, fixed32: 0 },
    { int32: 2147483647, sint32: 2147483647, sfixed32: 2147483647, uint32: 4294967295, fixed32: 4294967295 },
  ];
  const kinds = 'int32 sint32 sfixed32 uint32 fixed32';
  const texts = (message: object) =>
    Object.fromEntries(Object.entries(message).map(([kind, value]) => [kind, String(value)]));

  test('go out whole as text and as Float', async () => {
    for (const message of ends) {
      for (const field of ['scalarsAsText', 'scalarsAsId', 'scalarsAsBigInt']) {
        expect((await read(field, kinds, message)).value).toEqual(texts(message));
      }
      expect((await read('scalarsAsFloat', kinds, message)).value).toEqual(message);
    }
  });

  test('beyond Int are an error of their field alone, never a wrapped number', async () => {
    const { value, errors } = await read('scalarsAsInt', 'uint32 fixed32 int64', {
      uint32: 4294967295,
      fixed32: 2147483647,
    });
    expect(value).toEqual({ uint32: null, fixed32: 2147483647, int64: 0 });
    expect(errors).toMatchObject([{ path: ['scalarsAsInt', 'uint32'], extensions: { code: 'UPSTREAM_ERROR' } }]);
  });

  test('come in whole', async () => {
    for (const message of ends) {
      for (const [field, type, input] of [
        ['scalarsAsText', 'ScalarsAsTextInput', texts(message)],
        ['scalarsAsId', 'ScalarsAsIdInput', texts(message)],
        ['scalarsAsBigInt', 'ScalarsAsBigIntInput', texts(message)],
        ['scalarsAsFloat', 'ScalarsAsFloatInput', message],
      ] as const) {
        expect((await write(field, type, input)).request).toEqual(message);
      }
    }
  });

  test.each([
    ['scalars', 'ScalarsInput', { uint32: -1 }, 'does not fit 0 to 4294967295'],
    ['scalarsAsText', 'ScalarsAsTextInput', { int32: '2147483648' }, 'does not fit -2147483648 to 2147483647'],
    ['scalarsAsText', 'ScalarsAsTextInput', { fixed32: '4294967296' }, 'does not fit 0 to 4294967295'],
    ['scalarsAsFloat', 'ScalarsAsFloatInput', { sint32: 1.5 }, 'is not a whole number of 32 bits'],
    ['scalarsAsBigInt', 'ScalarsAsBigIntInput', { sfixed32: '99999999999' }, 'is not a whole number of 32 bits'],
  ])('%s refuses what does not fit: %s %j', async (field, type, input, why) => {
    const { errors, request } = await write(field, type, input);
    expect(errors).toMatchObject(refused(`input.${Object.keys(input)[0]}`, why));
    expect(request).toBeUndefined();
  });
});

describe('floating point', () => {
  test.each([Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 0.1, -1e-300, 2 ** 60])(
    'a double of %p goes both ways as it is',
    async (double) => {
      expect((await read('scalars', 'double', { double })).value).toEqual({ double });
      expect((await write('scalars', 'ScalarsInput', { double })).request).toEqual({ double });
    },
  );

  test('a float has 32 bits', async () => {
    const float = Math.fround(0.1);
    expect((await read('scalars', 'float', { float: 0.1 })).value).toEqual({ float });
    expect((await write('scalars', 'ScalarsInput', { float: 0.1 })).request).toEqual({ float });
    const { errors } = await write('scalars', 'ScalarsInput', { float: 1e39 });
    expect(errors).toMatchObject(refused('input.float', 'does not fit a float of 32 bits'));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%p has no place in JSON: an error of its field alone',
    async (number) => {
      const { data, errors } = await (() => {
        lab.upstreams.answer('Numbers.EchoOptional', () => ({ float: number, double: number, int32: 4 }));
        return lab.graphql('{ optionalScalars { float double int32 } }');
      })();
      expect(data).toEqual({ optionalScalars: { float: null, double: null, int32: 4 } });
      expect(errors).toMatchObject([
        { path: ['optionalScalars', 'float'], extensions: { code: 'UPSTREAM_ERROR' } },
        { path: ['optionalScalars', 'double'], extensions: { code: 'UPSTREAM_ERROR' } },
      ]);
    },
  );

  test.each(['NaN', 'Infinity', '1'])('%p is no Float for a client', async (double) => {
    const { errors } = await write('scalars', 'ScalarsInput', { double });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });
});

describe('text', () => {
  test.each(['', 'a', 'ünïcödé', '😀', '\u0000\u001f', '"\\/', '日本語'.repeat(20)])(
    '%j goes both ways',
    async (string) => {
      expect((await read('scalars', 'string', { string })).value).toEqual({ string });
      expect((await write('scalars', 'ScalarsInput', { string })).request).toEqual({ string });
      expect((await read('scalarsAsId', 'string', { string })).value).toEqual({ string });
    },
  );

  test('half of a surrogate pair arrives as the replacement character', async () => {
    expect((await write('scalars', 'ScalarsInput', { string: 'a\ud83dz' })).request).toEqual({ string: 'a\ufffdz' });
  });

  test('a number is an ID as its digits', async () => {
    expect((await write('scalarsAsId', 'ScalarsAsIdInput', { string: 42, int64: 42 })).request).toEqual({
      string: '42',
      int64: '42',
    });
  });
});

describe('true and false', () => {
  test.each([true, false])('%p goes both ways', async (bool) => {
    expect((await read('scalars', 'bool', { bool })).value).toEqual({ bool });
    expect((await write('scalars', 'ScalarsInput', { bool })).request).toEqual({ bool });
  });
});

describe('bytes', () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

  test.each([
    ['none', Buffer.alloc(0)],
    ['one', Buffer.from([0])],
    ['two', Buffer.from([255, 254])],
    ['every one', everyByte],
    ['many', Buffer.alloc(20_000, everyByte)],
  ])('%s: go both ways as base64', async (_, bytes) => {
    const text = bytes.toString('base64');
    expect((await read('scalars', 'bytes', { bytes })).value).toEqual({ bytes: text });
    expect((await read('scalarsAsId', 'bytes', { bytes })).value).toEqual({ bytes: text });
    const { request } = await write('scalars', 'ScalarsInput', { bytes: text });
    expect(bytes.equals(request.bytes)).toBe(true);
  });

  test('that are not on the wire are empty', async () => {
    expect(await read('scalars', 'bytes', {})).toEqual({ value: { bytes: '' }, errors: undefined });
  });

  test('come in in both alphabets, padded or not', async () => {
    const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0xff]);
    for (const text of ['+//+/w==', '-__-_w==', '+//+/w', '-__-_w']) {
      const { request } = await write('scalars', 'ScalarsInput', { bytes: text });
      expect(Buffer.from(request.bytes)).toEqual(bytes);
    }
  });

  test.each(['@', 'A', 'AAAAA', 'AA=A', 'AA AA', 'AA==='])('%j is not base64', async (bytes) => {
    const { errors } = await write('scalars', 'ScalarsInput', { bytes });
    expect(errors).toMatchObject(refused('input.bytes', 'is not base64'));
  });
});

describe('by arguments', () => {
  test('each lands in the field of its name, or of the name that @proto gives', async () => {
    await lab.data(
      'query ($uint64: BigInt) { byArguments(int32: 1, uint64: $uint64, float: 0.5, bool: false, text: "t", bytes: "AA") { int32 } }',
      { uint64: unsigned.max },
    );
    expect(lab.upstreams.requests('Numbers.Echo')).toEqual([
      { int32: 1, uint64: unsigned.max, float: 0.5, bool: false, string: 't', bytes: Buffer.from([0]) },
    ]);
  });

  test('what is left out, or null, is not sent', async () => {
    await lab.data('query ($text: String) { byArguments(int32: null, text: $text) { int32 } }', { text: null });
    await lab.data('{ byArguments { int32 } scalars { int32 } again: scalars(input: {}) { int32 } }');
    expect(lab.upstreams.requests('Numbers.Echo')).toEqual([{}, {}, {}, {}]);
  });

  test('a refusal names the argument', async () => {
    const { errors } = await lab.graphql('{ byArguments(bytes: "@") { int32 } }');
    expect(errors).toMatchObject(refused('bytes', 'is not base64'));
  });
});

describe('lists', () => {
  const lists = {
    int32s: [0, -1, 2147483647],
    sint32s: [-2147483648],
    sfixed32s: [5],
    uint32s: [0, 2147483647],
    fixed32s: [1],
    int64s: [signed.min, '0', signed.max],
    sint64s: [signed.max],
    sfixed64s: [signed.min],
    uint64s: [unsigned.max, '0'],
    fixed64s: [7],
    floats: [0.5, -0.25],
    doubles: [0.1, Number.MAX_VALUE],
    bools: [true, false],
    strings: ['', 'a', '😀'],
    bytesList: ['', 'AAEC'],
    unpacked: [signed.max, signed.min],
  };
  const selection = Object.keys(lists).join(' ');
  const document = `query ($input: ScalarListsInput) { scalarLists(input: $input) { ${selection} } }`;

  test('of every scalar go both ways', async () => {
    expect(await lab.data(document, { input: lists })).toEqual({ scalarLists: lists });
    const [request] = lab.upstreams.requests('Numbers.EchoLists');
    expect(request).toEqual({
      ...lists,
      fixed64s: ['7'],
      bytes_list: [Buffer.alloc(0), Buffer.from([0, 1, 2])],
      bytesList: undefined,
    });
  });

  test('that are empty, null or left out arrive empty, and go out empty', async () => {
    const empty = Object.fromEntries(Object.keys(lists).map((name) => [name, []]));
    for (const input of [{}, empty, Object.fromEntries(Object.keys(lists).map((name) => [name, null]))]) {
      expect(await lab.data(document, { input })).toEqual({ scalarLists: empty });
    }
    expect(lab.upstreams.requests('Numbers.EchoLists')).toEqual([{}, {}, {}]);
  });

  test('a value alone is a list of one', async () => {
    expect(await lab.data('{ scalarLists(input: { int32s: 3, strings: "a" }) { int32s strings } }')).toEqual({
      scalarLists: { int32s: [3], strings: ['a'] },
    });
  });

  test('an item that does not fit is an error of its own', async () => {
    lab.upstreams.answer('Numbers.EchoLists', () => ({
      fixed32s: [1, 4294967295, 3],
      fixed64s: ['1', unsigned.max],
      doubles: [Number.NaN, 1],
      uint32s: [1, 4294967295],
      int32s: [9],
    }));
    const { data, errors } = await lab.graphql('{ scalarLists { fixed32s fixed64s doubles int32s } }');
    expect(data).toEqual({
      scalarLists: { fixed32s: [1, null, 3], fixed64s: [1, null], doubles: [null, 1], int32s: [9] },
    });
    expect(errors?.map(({ path }) => path)).toEqual([
      ['scalarLists', 'fixed32s', 1],
      ['scalarLists', 'fixed64s', 1],
      ['scalarLists', 'doubles', 0],
    ]);
    // Where the SDL says that none may be missing, the list is.
    const strict = await lab.graphql('{ scalarLists { uint32s } }');
    expect(strict.data).toEqual({ scalarLists: null });
    expect(strict.errors).toMatchObject([
      { path: ['scalarLists', 'uint32s', 1], extensions: { code: 'UPSTREAM_ERROR' } },
    ]);
  });

  test.each([
    [{ fixed32s: [1, null] }, 'input.fixed32s[1]', 'is null, which a list may not hold'],
    [{ doubles: [null] }, 'input.doubles[0]', 'is null, which a list may not hold'],
    [{ bytesList: ['AA', '@'] }, 'input.bytesList[1]', 'is not base64'],
    [{ uint64s: ['1', '-1'] }, 'input.uint64s[1]', 'does not fit an unsigned 64-bit number'],
  ])('%j is refused by its place', async (input, field, why) => {
    const { errors } = await lab.graphql(document, { input });
    expect(errors).toMatchObject(refused(field, why));
    expect(lab.upstreams.control.count('Numbers.EchoLists')).toBe(0);
  });
});

describe('scalars of the SDL’s own', () => {
  const document =
    'query ($input: ScalarsAsOwnInput) { scalarsAsOwn(input: $input) { int64 double string bytes int32 bool } }';

  test('are text or numbers, as JSON has them', async () => {
    const input = { int64: signed.max, double: 0.5, string: 'a@b', bytes: 'AAE=', int32: -4, bool: true };
    expect(await lab.data(document, { input })).toEqual({ scalarsAsOwn: input });
  });

  test.each([
    [{ int64: 'x' }, 'is not a whole number'],
    [{ double: 'x' }, 'is not a number'],
    [{ double: '1' }, 'is not a number'],
    [{ string: 5 }, 'is not text'],
    [{ string: { a: 1 } }, 'is not text'],
    [{ bytes: 5 }, 'is not base64'],
    [{ int32: 1.5 }, 'is not a whole number'],
    [{ bool: 'true' }, 'is not true or false'],
  ])('%j is refused', async (input, why) => {
    const { errors } = await lab.graphql(document, { input });
    expect(errors).toMatchObject(refused(`input.${Object.keys(input)[0]}`, why));
  });
});
