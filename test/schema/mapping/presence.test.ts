import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('presence');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

const zero = {
  int32: 0,
  sint32: 0,
  sfixed32: 0,
  uint32: 0,
  fixed32: 0,
  int64: '0',
  sint64: '0',
  sfixed64: '0',
  uint64: '0',
  fixed64: '0',
  float: 0,
  double: 0,
  bool: false,
  string: '',
  bytes: '',
};
const names = Object.keys(zero).join(' ');
const nulls = Object.fromEntries(Object.keys(zero).map((name) => [name, null]));

describe('implicit presence', () => {
  const selection = 'int32 uint64 double bool string bytes';

  test('what is unset is its default, not null', async () => {
    lab.upstreams.answer('Numbers.Echo', () => ({}));
    expect(await lab.data(`{ implicit { ${selection} } }`)).toEqual({
      implicit: { int32: 0, uint64: '0', double: 0, bool: false, string: '', bytes: '' },
    });
  });

  test('null, and what is left out, is not sent', async () => {
    const input = { int32: null, uint64: null, string: null };
    await lab.data(`query ($input: ImplicitInput) { implicit(input: $input) { ${selection} } }`, { input });
    expect(lab.upstreams.request('Numbers.Echo')).toEqual({});
  });
});

describe('optional', () => {
  test('unset is null, the default is the default', async () => {
    lab.upstreams.answer('Numbers.EchoOptional', () => ({}));
    expect(await lab.data(`{ explicit { ${names} } }`)).toEqual({ explicit: nulls });
    lab.upstreams.answer('Numbers.EchoOptional', () => ({ ...zero, bytes: Buffer.alloc(0) }));
    expect(await lab.data(`{ explicit { ${names} } }`)).toEqual({ explicit: zero });
  });

  test('null is not sent, the default is', async () => {
    const document = `query ($input: ExplicitInput) { explicit(input: $input) { ${names} } }`;
    expect(await lab.data(document, { input: nulls })).toEqual({ explicit: nulls });
    expect(lab.upstreams.request('Numbers.EchoOptional')).toEqual({});
    expect(await lab.data(document, { input: zero })).toEqual({ explicit: zero });
    expect(lab.upstreams.request('Numbers.EchoOptional')).toEqual({ ...zero, bytes: Buffer.alloc(0) });
  });
});

describe('wrappers', () => {
  const wrappers = 'int32 uint32 int64 uint64 float double bool string bytes';
  const document = `query ($input: WrappedInput) {
    wrapped(input: $input) { ${wrappers} int64s byName { key value } }
  }`;
  const picked = (from: object) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => wrappers.split(' ').includes(name)));

  test('unset is null, and null is not sent', async () => {
    expect(await lab.data(document, { input: picked(nulls) })).toEqual({
      wrapped: { ...picked(nulls), int64s: [], byName: [] },
    });
    expect(lab.upstreams.request('Numbers.EchoWrapped')).toEqual({});
  });

  test('a default that is wrapped is there', async () => {
    expect(await lab.data(document, { input: picked(zero) })).toEqual({
      wrapped: { ...picked(zero), int64s: [], byName: [] },
    });
    const wrapped = Object.entries(picked(zero)).map(([name, value]) => [name, { value }] as const);
    expect(lab.upstreams.request('Numbers.EchoWrapped')).toEqual({
      ...Object.fromEntries(wrapped),
      bytes: { value: Buffer.alloc(0) },
    });
  });

  test('an empty wrapper holds the default', async () => {
    lab.upstreams.answer('Numbers.EchoWrapped', () =>
      Object.fromEntries(wrappers.split(' ').map((name) => [name, {}])),
    );
    expect(await lab.data(`{ wrapped { ${wrappers} } }`)).toEqual({ wrapped: picked(zero) });
  });

  test('values, lists and maps of wrappers go both ways', async () => {
    const input = {
      int32: -5,
      uint32: 7,
      int64: '-9223372036854775808',
      uint64: '18446744073709551615',
      float: 0.5,
      double: 0.1,
      bool: true,
      string: 'x',
      bytes: 'AAE=',
      int64s: ['0', '9223372036854775807'],
      byName: [
        { key: 'a', value: '' },
        { key: 'b', value: 'c' },
      ],
    };
    expect(await lab.data(document, { input })).toEqual({ wrapped: input });
    expect(lab.upstreams.request('Numbers.EchoWrapped')).toMatchObject({
      int64s: [{ value: '0' }, { value: '9223372036854775807' }],
      by_name: { a: { value: '' }, b: { value: 'c' } },
    });
  });

  test.each([
    [{ uint32: -1 }, 'input.uint32'],
    [{ uint64: '-1' }, 'input.uint64'],
    [{ bytes: '@' }, 'input.bytes'],
    [{ float: 1e39 }, 'input.float'],
    [{ int64s: ['1', '9223372036854775808'] }, 'input.int64s[1]'],
  ])('%j is refused', async (input, field) => {
    const { errors } = await lab.graphql(document, { input });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field }] } }]);
  });
});

describe('proto2', () => {
  const selection = `title label count big flag grade first data ratio grades packed unpacked
    cover { color pages } chapter { heading note { text } } paint { size maybeGloss } byName name number`;
  const document = `query ($input: RecordInput) { record(input: $input) { ${selection} } }`;
  const nothing = {
    title: null,
    label: null,
    count: null,
    big: null,
    flag: null,
    grade: null,
    first: null,
    data: null,
    ratio: null,
    grades: [],
    packed: [],
    unpacked: [],
    cover: null,
    chapter: [],
    paint: null,
    byName: {},
    name: null,
    number: null,
  };

  test('what is unset is null, whatever default the proto gives it', async () => {
    expect(await lab.data(document, { input: {} })).toEqual({ record: nothing });
    expect(lab.upstreams.request('Legacy.Echo')).toEqual({});
  });

  test('the same values as the defaults are sent, and shown', async () => {
    const input = { label: 'none', count: 42, big: '9007199254740993', flag: true, grade: 'BAD', data: 'YWJj' };
    expect(await lab.data(document, { input })).toEqual({ record: { ...nothing, ...input } });
    expect(lab.upstreams.request('Legacy.Echo')).toEqual({
      label: 'none',
      count: 42,
      big: '9007199254740993',
      flag: true,
      grade: 2,
      data: Buffer.from('abc'),
    });
  });

  test('zeros are sent, and shown', async () => {
    const input = { title: '', label: '', count: 0, big: '0', flag: false, data: '', ratio: 0 };
    expect(await lab.data(document, { input })).toEqual({ record: { ...nothing, ...input } });
    expect(lab.upstreams.request('Legacy.Echo')).toEqual({ ...input, data: Buffer.alloc(0) });
  });

  test('groups, enums without a zero, lists packed and not, and a message of proto3', async () => {
    const input = {
      grade: 'GOOD',
      first: 'UGLY',
      grades: ['UGLY', 'GOOD', 'BAD'],
      packed: [1, -1, 2147483647],
      unpacked: [-2147483648, 0],
      cover: { color: 'red', pages: 0 },
      chapter: [
        { heading: 'one', note: [{ text: 'a' }, { text: null }] },
        { heading: '', note: [] },
      ],
      paint: { size: 'SIZE_0', maybeGloss: 'MATT' },
      byName: { a: 'COLOR_RED', b: 'COLOR_INFRARED' },
      number: '-9223372036854775808',
    };
    expect(await lab.data(document, { input })).toEqual({ record: { ...nothing, ...input } });
    expect(lab.upstreams.request('Legacy.Echo')).toMatchObject({
      first: -3,
      grades: [-3, 1, 2],
      cover: { color: 'red', pages: 0 },
      chapter: [{ heading: 'one', note: [{ text: 'a' }, {}] }, { heading: '' }],
      paint: { size: 0, maybe_gloss: 0 },
    });
  });

  test('a number that a closed enum does not have is an error of its field alone', async () => {
    lab.upstreams.answer('Legacy.Echo', () => ({ title: 't', grade: 0, first: 7, grades: [1, 9] }));
    const { data, errors } = await lab.graphql('{ record { title grade first } again: record { title grades } }');
    expect(data).toEqual({ record: { title: 't', grade: null, first: null }, again: null });
    expect(errors?.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        ['record', 'grade'],
        ['record', 'first'],
        ['again', 'grades', 1],
      ]),
    );
  });

  test('required fields go both ways, and are asked for where they are missing', async () => {
    const strict = '{ strict(name: "", count: 0, grade: GOOD, inner: { id: "0" }) { name count grade inner { id } } }';
    expect(await lab.data(strict)).toEqual({ strict: { name: '', count: 0, grade: 'GOOD', inner: { id: '0' } } });
    for (const [args, field] of [
      ['', 'name'],
      ['name: "a", grade: BAD', 'count'],
      ['name: "a", count: 1, grade: null', 'grade'],
      ['name: "a", count: 1, grade: BAD, inner: {}', 'inner.id'],
    ] as const) {
      const { errors } = await lab.graphql(`{ strict${args && `(${args})`} { name } }`);
      expect(errors).toMatchObject([
        {
          message: `${field}: is needed.`,
          extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field, description: 'is needed' }] },
        },
      ]);
    }
    const { errors } = await lab.graphql('{ record(input: { chapter: [{ heading: "a" }, {}] }) { title } }');
    expect(errors).toMatchObject([{ extensions: { fieldViolations: [{ field: 'input.chapter[1].heading' }] } }]);
    expect(lab.upstreams.control.count('Legacy.EchoRequired')).toBe(1);
  });

  test('an answer that lacks what is required cannot be read', async () => {
    lab.upstreams.answer('Legacy.EchoRequired', () => Buffer.alloc(0));
    const { errors, status } = await lab.graphql('{ strict(name: "a", count: 1, grade: BAD) { name } }');
    expect(errors).toMatchObject([{ path: ['strict'], extensions: { code: 'UPSTREAM_ERROR' } }]);
    expect(status).toBe(502);
  });
});
