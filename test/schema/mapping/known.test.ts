import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('known');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

const violation = (field: string, description?: string) => [
  {
    extensions: {
      code: 'BAD_USER_INPUT',
      fieldViolations: [{ field, description: description ?? expect.any(String) }],
    },
  },
];

describe('Timestamp', () => {
  const document = 'query ($at: DateTime) { timeByArguments(at: $at) { at } }';

  test.each([
    ['0001-01-01T00:00:00Z', { seconds: '-62135596800', nanos: 0 }],
    ['9999-12-31T23:59:59.999999999Z', { seconds: '253402300799', nanos: 999999999 }],
    ['1970-01-01T00:00:00Z', { seconds: '0', nanos: 0 }],
    ['1969-12-31T23:59:59.500Z', { seconds: '-1', nanos: 500000000 }],
    ['2026-01-31T12:00:00.000000001Z', { seconds: '1769860800', nanos: 1 }],
    ['2026-01-31T12:00:00.000001Z', { seconds: '1769860800', nanos: 1000 }],
    ['2024-02-29T23:59:59.100Z', { seconds: '1709251199', nanos: 100000000 }],
  ])('%s goes both ways', async (at, message) => {
    expect(await lab.data(document, { at })).toEqual({ timeByArguments: { at } });
    expect(lab.upstreams.request('Known.Echo')).toEqual({ at: message });
  });

  test.each([
    ['2026-01-31T13:00:00+01:00', '2026-01-31T12:00:00Z'],
    ['2026-01-31T00:30:00-23:59', '2026-02-01T00:29:00Z'],
    ['2026-01-31t12:00:00z', '2026-01-31T12:00:00Z'],
    ['0001-01-01 00:00:00Z', '0001-01-01T00:00:00Z'],
    ['2026-01-31T12:00:00.1Z', '2026-01-31T12:00:00.100Z'],
  ])('%s is %s', async (at, shown) => {
    expect(await lab.data(document, { at })).toEqual({ timeByArguments: { at: shown } });
  });

  test.each([
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T12:00:00',
    '2026-01-31',
    '2026-01-31T12:00:00+24:00',
    '2026-01-31T12:00:00.0000000001Z',
    '10000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '0000-01-01T00:00:00Z',
    'now',
    5,
    null,
  ])('%j is no date and time, whatever the SDL calls it', async (at) => {
    if (at !== null) {
      const { errors } = await lab.graphql(document, { at });
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
    const asText = 'query ($input: TimesAsTextInput) { timesAsText(input: $input) { at } }';
    const { data, errors } = await lab.graphql(asText, { input: { at } });
    if (at === null) expect(data).toEqual({ timesAsText: { at: null } });
    else expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(lab.upstreams.control.count('Known.Echo')).toBe(at === null ? 1 : 0);
  });

  test('out of its range is an error of its field, or of its place in a list', async () => {
    const good = { seconds: 0, nanos: 0 };
    lab.upstreams.answer('Known.Echo', () => ({
      at: { seconds: '253402300800', nanos: 0 },
      all: [good],
      length: { seconds: 1 },
    }));
    const { data, errors } = await lab.graphql('{ times { at all length } }');
    expect(data).toEqual({ times: { at: null, all: ['1970-01-01T00:00:00Z'], length: '1s' } });
    expect(errors).toMatchObject([{ path: ['times', 'at'], extensions: { code: 'UPSTREAM_ERROR' } }]);
    for (const at of [
      { seconds: '-62135596801' },
      { nanos: -1 },
      { nanos: 1_000_000_000 },
      { seconds: '9223372036854775807' },
    ]) {
      lab.upstreams.answer('Known.Echo', () => ({ at }));
      expect((await lab.graphql('{ times { at } }')).data).toEqual({ times: { at: null } });
    }
  });

  test('unset is null; one without fields is the epoch', async () => {
    lab.upstreams.answer('Known.Echo', () => ({ all: [{}] }));
    expect(await lab.data('{ times { at all length lengths } }')).toEqual({
      times: { at: null, all: ['1970-01-01T00:00:00Z'], length: null, lengths: [] },
    });
  });

  test('is a whole answer too', async () => {
    lab.upstreams.answer('Known.Now', () => ({ seconds: 1 }));
    expect(await lab.data('{ now }')).toEqual({ now: '1970-01-01T00:00:01Z' });
  });
});

describe('Duration', () => {
  const document = 'query ($input: TimesInput) { times(input: $input) { length } }';

  test.each([
    ['0s', { seconds: '0', nanos: 0 }],
    ['1.500s', { seconds: '1', nanos: 500000000 }],
    ['-1.500s', { seconds: '-1', nanos: -500000000 }],
    ['-0.500s', { seconds: '0', nanos: -500000000 }],
    ['0.000000001s', { seconds: '0', nanos: 1 }],
    ['315576000000s', { seconds: '315576000000', nanos: 0 }],
    ['-315576000000s', { seconds: '-315576000000', nanos: 0 }],
  ])('%s goes both ways', async (length, message) => {
    expect(await lab.data(document, { input: { length } })).toEqual({ times: { length } });
    expect(lab.upstreams.request('Known.Echo')).toEqual({ length: message });
  });

  test.each(['1', '1m', 's', '-s', '1.s', '.5s', '1.0000000001s', '315576000001s', '1e3s', 5])(
    '%j is no length of time, whatever the SDL calls it',
    async (length) => {
      for (const [field, type] of [
        ['times', 'TimesInput'],
        ['timesAsText', 'TimesAsTextInput'],
      ]) {
        const { errors } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) { length } }`, {
          input: { length },
        });
        expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
      }
      expect(lab.upstreams.control.count('Known.Echo')).toBe(0);
    },
  );

  test('what is no Duration is an error of its field, or of its place in a list', async () => {
    lab.upstreams.answer('Known.Echo', () => ({
      at: {},
      length: { seconds: 1, nanos: -1 },
      lengths: [{ seconds: 2 }, { seconds: '315576000001' }, { nanos: 1_000_000_000 }],
    }));
    const { data, errors } = await lab.graphql('{ times { at length lengths } }');
    expect(data).toEqual({ times: { at: '1970-01-01T00:00:00Z', length: null, lengths: ['2s', null, null] } });
    expect(errors?.map(({ path }) => path)).toEqual([
      ['times', 'length'],
      ['times', 'lengths', 1],
      ['times', 'lengths', 2],
    ]);
  });
});

describe('Struct, Value and ListValue', () => {
  const document = 'query ($input: JsonInput) { json(input: $input) { struct value list values structs nothing } }';
  const anything = {
    null: null,
    number: -0.5,
    large: 2 ** 53,
    text: 'ünï 😀',
    empty: '',
    yes: true,
    no: false,
    list: [1, 'a', null, [], {}, [[{}]]],
    object: { nested: { deeper: [{ constructor: 'c', toString: null, hasOwnProperty: 1 }] } },
  };

  test('JSON goes both ways as it is', async () => {
    const input = {
      struct: { ...anything, ['__proto__']: { polluted: true } },
      value: anything,
      list: [anything, null],
      values: [1, 'a', null, anything, [], true],
      structs: [{}, anything],
      nothing: 'NULL_VALUE',
    };
    // A literal's __proto__ would be its prototype.
    const sent = JSON.parse(JSON.stringify(input).replace('"object":', '"__proto__":{"a":1},"object":'));
    expect(await lab.data(document, { input: sent })).toEqual({ json: sent });
    expect(Object.keys(lab.upstreams.request('Known.EchoJson').struct.fields)).toContain('__proto__');
  });

  test('JSON in a document goes in as in variables', async () => {
    const { jsonByArguments } = await lab.data(
      '{ jsonByArguments(struct: { a: [1, 2.5, "x", null, true], constructor: RED }, value: 5, list: ["a"], values: [1, null]) { struct value list values } }',
    );
    expect(jsonByArguments).toEqual({
      struct: { a: [1, 2.5, 'x', null, true], constructor: 'RED' },
      value: 5,
      list: ['a'],
      values: [1, null],
    });
  });

  test.each([null, 0, '', false, [], {}, 'text', -1.5])('a Value of %j goes both ways', async (value) => {
    expect(await lab.data(document, { input: { value } })).toMatchObject({ json: { value } });
    expect(lab.upstreams.request('Known.EchoJson')).toHaveProperty('value');
  });

  test('null is a Value, and is nothing where a Struct or a list is wanted', async () => {
    await lab.data(document, { input: { value: null, struct: null, list: null, values: null } });
    expect(lab.upstreams.request('Known.EchoJson')).toEqual({ value: { nullValue: 0 } });
    await lab.data(document, { input: {} });
    expect(lab.upstreams.request('Known.EchoJson')).toEqual({});
    await lab.data('query ($v: JSON) { jsonByArguments(value: $v) { value } }', { v: null });
    expect(lab.upstreams.request('Known.EchoJson')).toEqual({ value: { nullValue: 0 } });
  });

  test('what is unset is null, also in a Value', async () => {
    lab.upstreams.answer('Known.EchoJson', () => ({ value: {}, values: [{}], struct: {}, list: {} }));
    expect(await lab.data(document)).toEqual({
      json: { value: null, values: [null], struct: {}, list: [], structs: [], nothing: 'NULL_VALUE' },
    });
  });

  test('a number that JSON has not is an error of its field alone', async () => {
    lab.upstreams.answer('Known.EchoJson', () => ({
      value: { numberValue: Number.NaN },
      struct: { fields: { a: { numberValue: Number.POSITIVE_INFINITY } } },
      values: [{ numberValue: Number.NEGATIVE_INFINITY }, { numberValue: 1 }],
      list: { values: [{ boolValue: true }] },
    }));
    const { data, errors } = await lab.graphql('{ json { value struct values list } }');
    expect(data).toEqual({ json: { value: null, struct: null, values: [null, 1], list: [true] } });
    expect(errors).toHaveLength(3);
  });

  test.each([
    [{ struct: [] }, 'input.struct'],
    [{ struct: 'a' }, 'input.struct'],
    [{ list: {} }, 'input.list'],
    [{ structs: [{}, 1] }, 'input.structs[1]'],
  ])('%j is refused', async (input, field) => {
    const { errors } = await lab.graphql(document, { input });
    expect(errors).toMatchObject(violation(field));
  });

  test('a number that is too large for JSON is refused', async () => {
    const response = await fetch(lab.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"query":"query ($v: JSON) { jsonByArguments(value: $v) { value } }","variables":{"v":1e999}}`,
    });
    expect(await response.json()).toMatchObject({ errors: violation('value', 'is too large') });
  });

  test('JSON goes as deep as messages go, and is refused beyond', async () => {
    const nested = (levels: number): unknown => (levels === 0 ? 'x' : { a: nested(levels - 1) });
    const deepest = nested(49);
    expect(await lab.data(document, { input: { value: deepest } })).toMatchObject({ json: { value: deepest } });
    for (const levels of [50, 3_000]) {
      const { errors } = await lab.graphql(document, { input: { value: nested(levels) } });
      expect(errors).toMatchObject(violation('input.value', 'is nested too deeply'));
    }
  });
});

describe('Any', () => {
  const document = 'query ($input: ParcelInput) { parcel(input: $input) { content contents } }';
  const prefix = 'type.googleapis.com/';

  test.each([
    {
      '@type': `${prefix}lab.v1.Gift`,
      name: 'n',
      weight: '9223372036854775807',
      packedAt: '2026-01-31T12:00:00Z',
      inside: { '@type': `${prefix}google.protobuf.StringValue`, value: 'deep' },
      mask: 'displayName,homeAddress.street',
      empty: {},
      fragility: 'NaN',
      color: 'red',
    },
    { '@type': `${prefix}lab.v1.Gift`, name: '', weight: '0', fragility: '-Infinity' },
    { '@type': `${prefix}google.protobuf.Duration`, value: '-1.500s' },
    { '@type': `${prefix}google.protobuf.Timestamp`, value: '0001-01-01T00:00:00Z' },
    { '@type': `${prefix}google.protobuf.Struct`, value: { a: [null] } },
    { '@type': `${prefix}google.protobuf.Value`, value: null },
    { '@type': `${prefix}google.protobuf.Int64Value`, value: '-5' },
    { '@type': `${prefix}google.protobuf.UInt32Value`, value: 4294967295 },
    { '@type': `${prefix}google.protobuf.BytesValue`, value: 'AAE=' },
    { '@type': `${prefix}google.protobuf.Empty`, value: {} },
    { '@type': `${prefix}google.protobuf.FieldMask`, value: 'aB.cD' },
    {
      '@type': `${prefix}google.protobuf.Any`,
      value: {
        '@type': `${prefix}google.protobuf.Any`,
        value: { '@type': `${prefix}google.type.Date`, year: 2026, month: 1, day: 31 },
      },
    },
    { '@type': 'example.com/some/path/google.type.LatLng', latitude: 0.5, longitude: 0 },
  ])('$@type goes both ways', async (content) => {
    expect(await lab.data(document, { input: { content, contents: [content] } })).toEqual({
      parcel: { content, contents: [content] },
    });
  });

  test('the type is enough of a name, and arrives as a URL', async () => {
    await lab.data(document, { input: { content: { '@type': 'google.protobuf.StringValue', value: '' } } });
    expect(lab.upstreams.request('Known.EchoAny')).toEqual({
      content: { type_url: `${prefix}google.protobuf.StringValue`, value: expect.anything() },
    });
  });

  test('unset is null, empty is null', async () => {
    lab.upstreams.answer('Known.EchoAny', () => ({ contents: [{}] }));
    expect(await lab.data('{ parcel { content contents } }')).toEqual({ parcel: { content: null, contents: [null] } });
  });

  test.each([
    ['a type that no proto defines', { type_url: `${prefix}lab.v1.Nobody` }],
    ['a type by the end of its name', { type_url: `${prefix}Gift` }],
    ['a type by the end of its name, in its package', { type_url: `${prefix}v1.Gift` }],
    ['a name that every object has', { type_url: 'constructor' }],
    ['an enum', { type_url: `${prefix}google.type.DayOfWeek` }],
    ['a URL without a type', { type_url: prefix }],
    ['bytes that are no such message', { type_url: `${prefix}lab.v1.Gift`, value: Buffer.from([0x0a, 0xff]) }],
    [
      'a list of more than 500,000 items, nulls and their messages',
      { type_url: `${prefix}google.protobuf.ListValue`, value: Buffer.alloc(1_200_000, Buffer.from([0x0a, 2, 8, 0])) },
    ],
    [
      'a Timestamp out of its range',
      { type_url: `${prefix}google.protobuf.Timestamp`, value: Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]) },
    ],
  ])('%s is an error of its place alone', async (_, any) => {
    lab.upstreams.answer('Known.EchoAny', () => ({ contents: [{}, any] }));
    const { data, errors, status } = await lab.graphql('{ parcel { content contents } }');
    expect(data).toEqual({ parcel: { content: null, contents: [null, null] } });
    expect(errors).toMatchObject([{ path: ['parcel', 'contents', 1], extensions: { code: 'UPSTREAM_ERROR' } }]);
    expect(status).toBe(200);
  });

  test.each([
    [{}, 'input.content'],
    [{ '@type': 'Gift' }, 'input.content'],
    [{ '@type': 5 }, 'input.content'],
    [[], 'input.content'],
    [{ '@type': 'lab.v1.Gift', nme: '' }, 'input.content'],
    [{ '@type': 'lab.v1.Gift', packedAt: 'now' }, 'input.content.packedAt'],
    [{ '@type': 'lab.v1.Gift', packedAt: 5 }, 'input.content.packedAt'],
    [{ '@type': 'lab.v1.Gift', mask: 5 }, 'input.content.mask'],
    [{ '@type': 'lab.v1.Gift', empty: true }, 'input.content.empty'],
    [{ '@type': 'lab.v1.Gift', inside: { '@type': 'google.protobuf.BoolValue', value: 'x' } }, 'input.content.inside'],
    [{ '@type': 'lab.v1.Gift', color: '', length: 1 }, 'input.content.length'],
    [{ '@type': 'lab.v1.Gift', packed_at: null, weight: 1.5 }, 'input.content.weight'],
    [{ '@type': 'lab.v1.Gift', weight: 2 ** 53 }, 'input.content.weight'],
    [{ '@type': 'google.protobuf.BytesValue', value: 5 }, 'input.content'],
    [{ '@type': 'google.protobuf.StringValue', value: 5 }, 'input.content'],
  ])('%j is refused', async (content, field) => {
    const { errors } = await lab.graphql(document, { input: { content } });
    expect(errors).toMatchObject(violation(field));
    expect(lab.upstreams.control.count('Known.EchoAny')).toBe(0);
  });
});

describe('messages of google.type', () => {
  test('are messages like any other', async () => {
    const input = {
      day: { year: 2026, month: 1, day: 31 },
      time: { hours: 23, minutes: 59, seconds: 60, nanos: 999999999 },
      price: { currencyCode: 'EUR', units: '-9223372036854775808', nanos: -5 },
      place: { latitude: -90, longitude: 180 },
      weekday: 'SUNDAY',
    };
    const document = `query ($input: BookingInput) { booking(input: $input) {
      day { year month day } time { hours minutes seconds nanos } price { currencyCode units nanos }
      place { latitude longitude } weekday
    } }`;
    expect(await lab.data(document, { input })).toEqual({ booking: input });
    expect(lab.upstreams.request('Known.EchoTypes')).toMatchObject({ price: { currency_code: 'EUR' }, weekday: 7 });
    expect(await lab.data(document)).toEqual({
      booking: { day: null, time: null, price: null, place: null, weekday: null },
    });
  });
});

describe('Empty', () => {
  test('is true as a whole answer', async () => {
    expect(await lab.data('{ ping }')).toEqual({ ping: true });
  });

  test('is true where it is set', async () => {
    const document = 'query ($input: EmptiesInput) { empties(input: $input) { done list } }';
    expect(await lab.data(document, { input: { done: true, list: [true, true] } })).toEqual({
      empties: { done: true, list: [true, true] },
    });
    expect(lab.upstreams.request('Known.EchoEmpties')).toEqual({ done: {}, list: [{}, {}] });
    expect(await lab.data(document, { input: { done: false } })).toEqual({ empties: { done: null, list: [] } });
    expect(lab.upstreams.request('Known.EchoEmpties')).toEqual({});
    const { errors } = await lab.graphql(document, { input: { list: [true, false] } });
    expect(errors).toMatchObject(violation('input.list[1]'));
  });
});

describe('FieldMask', () => {
  const paths = async (mutation: string, variables: object): Promise<unknown> => {
    const declared: Record<string, string> = {
      profile: 'ProfileInput!',
      input: mutation.startsWith('updateByRequest')
        ? 'UpdateProfileInput!'
        : mutation.startsWith('updateMasked')
          ? 'MaskedInput!'
          : 'ProfileInput!',
      change: 'ChangeInput!',
      id: 'ID!',
      name: 'String',
      street: 'String',
      age: 'Int',
      updateMask: '[String!]',
      dryRun: 'Boolean',
    };
    const names = Object.keys(variables);
    const document = `mutation (${names.map((name) => `$${name}: ${declared[name]}`).join(', ')}) {
      ${mutation}(${names.map((name) => `${name}: $${name}`).join(', ')}) { updateMask }
    }`;
    const data = await lab.data(document, { ...variables });
    return data[mutation].updateMask;
  };
  const profile = {
    displayName: null,
    homeAddress: { city: '', billing: { street: 's' } },
    tags: [],
    labels: { a: 'b' },
    others: [{ street: 'x' }],
    age: 0,
  };
  const sent = ['display_name', 'home_address.city', 'home_address.billing.street', 'tags', 'age', 'labels', 'others'];

  test('names what the client sent, null and empty values too, and nothing else', async () => {
    expect(await paths('updateProfile', { profile })).toEqual(sent);
    expect(await paths('updateProfile', { profile: {} })).toEqual([]);
    expect(await paths('updateProfile', { profile: { id: 'i' }, dryRun: true })).toEqual(['id']);
    expect(lab.upstreams.request('Known.UpdateProfile')).toEqual({
      profile: { id: 'i' },
      dry_run: true,
      update_mask: { paths: ['id'] },
    });
  });

  test('names a message that was sent empty or null by its own path', async () => {
    expect(await paths('updateProfile', { profile: { homeAddress: {} } })).toEqual(['home_address']);
    expect(await paths('updateProfile', { profile: { homeAddress: null } })).toEqual(['home_address']);
    expect(await paths('updateProfile', { profile: { homeAddress: { billing: {} } } })).toEqual([
      'home_address.billing',
    ]);
  });

  test('is of the message beside it, where one input is the whole request', async () => {
    expect(await paths('updateByRequest', { input: { profile, dryRun: true } })).toEqual(sent);
  });

  test('leaves out the id that says which message is meant', async () => {
    expect(await paths('updateById', { id: 'i', input: { displayName: 'd' } })).toEqual(['display_name']);
    expect(lab.upstreams.request('Known.UpdateProfile')).toEqual({
      profile: { id: 'i', display_name: 'd' },
      update_mask: { paths: ['display_name'] },
    });
  });

  test('is filled from arguments one by one', async () => {
    expect(await paths('rename', { id: 'i', name: 'n', street: null })).toEqual([
      'display_name',
      'home_address.street',
    ]);
    expect(await paths('rename', { id: 'i' })).toEqual([]);
    expect(await paths('rename', { id: 'i', age: 3 })).toEqual(['age']);
  });

  test('is the one that the SDL names', async () => {
    expect(await paths('updateNamed', { change: { profile, dryRun: true } })).toEqual(sent);
  });

  test('is the client’s own where it gives one', async () => {
    expect(await paths('updateMasked', { profile, updateMask: ['tags', 'age'] })).toEqual(['tags', 'age']);
    const document = 'mutation ($input: MaskedInput!) { updateMaskedByRequest(input: $input) { updateMask } }';
    expect(await lab.data(document, { input: { profile, updateMask: 'tags,home_address.city' } })).toEqual({
      updateMaskedByRequest: { updateMask: ['tags', 'home_address.city'] },
    });
    expect(await lab.data(document, { input: { profile } })).toEqual({ updateMaskedByRequest: { updateMask: null } });
  });

  test('is of the request where there is no message beside it', async () => {
    const document = 'mutation ($input: FlatInput!) { patchFlat(id: "i", input: $input) { title updateMask } }';
    expect(await lab.data(document, { input: { count: null, title: 't' } })).toEqual({
      patchFlat: { title: 't', updateMask: ['title', 'count'] },
    });
  });

  test('is left out where it says what to read', async () => {
    await lab.data('{ profileLike(like: { displayName: "d" }) { displayName } }');
    expect(lab.upstreams.request('Known.ReadProfile')).toEqual({ like: { display_name: 'd' } });
  });

  test('goes both ways as a list of paths, or as text', async () => {
    const document = 'query ($input: MasksInput) { masks(input: $input) { one two many } }';
    const input = { one: ['a_b.c', 'd'], two: 'a_b.c,d', many: ['x,y', 'z'] };
    expect(await lab.data(document, { input })).toEqual({ masks: input });
    expect(lab.upstreams.request('Known.EchoMasks')).toEqual({
      one: { paths: ['a_b.c', 'd'] },
      two: { paths: ['a_b.c', 'd'] },
      many: [{ paths: ['x', 'y'] }, { paths: ['z'] }],
    });
    expect(await lab.data(document, { input: { one: [], two: '' } })).toEqual({
      masks: { one: [], two: '', many: [] },
    });
    expect(await lab.data(document)).toEqual({ masks: { one: null, two: null, many: [] } });
  });
});
