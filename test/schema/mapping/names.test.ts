import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('names');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

describe('names that are reserved somewhere', () => {
  const names = [
    'constructor',
    'hasOwnProperty',
    'toString',
    'valueOf',
    'prototype',
    'default',
    'class',
    'name',
    'arguments',
    'function',
    'toJSON',
    'then',
    'type',
    'message',
    'enum',
    'service',
    'oneof',
    'query',
    'null',
    'isPrototypeOf',
  ];
  const values = { ...Object.fromEntries(names.map((name) => [name, `the ${name}`])), length: 7 };
  const selection = `${names.join(' ')} length`;
  const literal = Object.entries(values)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ');

  test('are fields like any other, both ways', async () => {
    const document = `query ($input: ReservedInput) { reserved(input: $input) { ${selection} } }`;
    expect(await lab.data(document, { input: values })).toEqual({ reserved: values });
    expect(lab.upstreams.request('Names.Echo')).toEqual(values);
  });

  test('are arguments like any other', async () => {
    const document = `{ reservedByArguments(${literal}) { ${selection} } }`;
    expect(await lab.data(document)).toEqual({ reservedByArguments: values });
  });

  const unset = { ...Object.fromEntries(names.map((name) => [name, ''])), length: 0 };

  test('are not there where they are not given', async () => {
    const document = `{ a: reserved(input: {}) { ${selection} } b: reservedByArguments { ${selection} } }`;
    expect(await lab.data(document)).toEqual({ a: unset, b: unset });
    expect(lab.upstreams.requests('Names.Echo')).toEqual([{}, {}]);
  });

  test('can be told to be unset, and name members of a oneof', async () => {
    const given = {
      constructor: '',
      hasOwnProperty: 'h',
      toString: 't',
      valueOf: 'v',
      propertyIsEnumerable: ['p'],
      toLocaleString: { toString: 'x', constructor: 'y' },
      encode: '',
    };
    const document = (args: string) => `{ reservedUnset${args} {
      constructor hasOwnProperty toString valueOf propertyIsEnumerable toLocaleString isPrototypeOf { toString } encode
      default { __typename ... on Encoded { encode } ... on Typenamed { typename } }
    } }`;
    const input = `constructor: "", hasOwnProperty: "h", toString: "t", valueOf: "v", propertyIsEnumerable: "p",
      toLocaleString: { toString: "x", constructor: "y" }, encode: ""`;
    expect(await lab.data(document(`(input: { ${input}, isPrototypeOf: { toString: "inner" } })`))).toEqual({
      reservedUnset: {
        ...given,
        isPrototypeOf: { toString: 'inner' },
        default: { __typename: 'Encoded', encode: '' },
      },
    });
    expect(await lab.data(document('(input: {})'))).toEqual({
      reservedUnset: {
        constructor: null,
        hasOwnProperty: null,
        toString: null,
        valueOf: null,
        propertyIsEnumerable: [],
        toLocaleString: {},
        isPrototypeOf: null,
        encode: null,
        default: null,
      },
    });
    expect(lab.upstreams.request('MoreNames.EchoReserved2')).toEqual({});
    expect(
      await lab.data(
        '{ reservedUnset(input: { typename: "t" }) { default { __typename ... on Typenamed { typename } } } }',
      ),
    ).toEqual({
      reservedUnset: { default: { __typename: 'Typenamed', typename: 't' } },
    });
  });
});

describe('names from one case to the other', () => {
  const pairs = {
    snakeCaseName: 'snake_case_name',
    camelCase: 'camelCase',
    field1: 'field_1',
    field2Name: 'field_2_name',
    xYZ: 'x_y_z',
    X: '__x',
    trailing: 'trailing_',
    doubleUnder: 'double__under',
    PascalCase: 'PascalCase',
    UPPERCASE: 'UPPER_CASE',
    fancyName: 'renamed',
    spelled: 'spelled',
    HTTPServer: 'HTTPServer',
    a1B2: 'a1_b2',
  };
  const values = Object.fromEntries(Object.keys(pairs).map((name) => [name, `the ${name}`]));
  const message = Object.fromEntries(Object.entries(pairs).map(([name, proto]) => [proto, `the ${name}`]));

  test.each(['cases', 'casesOfTheOther'])('as protoc makes them, both ways: %s', async (field) => {
    const document = `query ($input: CasesInput) { ${field}(input: $input) { ${Object.keys(pairs).join(' ')} } }`;
    expect(await lab.data(document, { input: values })).toEqual({ [field]: values });
    expect(lab.upstreams.request(field === 'cases' ? 'MoreNames.Echo' : 'Names.EchoCases')).toEqual(message);
  });

  test('by their names in the proto, and by @proto', async () => {
    lab.upstreams.answer('MoreNames.Echo', () => message);
    expect(await lab.data('{ cases { snake field_1 x_y_z underscored } }')).toEqual({
      cases: {
        snake: 'the snakeCaseName',
        field_1: 'the field1',
        x_y_z: 'the xYZ',
        underscored: 'the X',
      },
    });
  });
});

test('messages and enums of the same short name are told apart, in packages, scopes and files', async () => {
  const input = {
    here: { here: 'lab.v1.Place' },
    other: { there: 'other.v1.Place' },
    absolute: { there: '.other.v1.Place' },
    box: { place: { inside: 'lab.v1.Places.Box.Place' } },
    inside: { inside: 'Box.Place' },
    common: { common: 'lab.v1.common.Place' },
    planet: 'EARTH',
  };
  const document = `query ($input: PlacesInput) { places(input: $input) {
    here { here } other { there } absolute { there } box { place { inside } } inside { inside } common { common } planet
  } }`;
  expect(await lab.data(document, { input })).toEqual({ places: input });
});

describe('messages that contain themselves', () => {
  const chain = (depth: number): unknown =>
    depth === 0 ? { name: 'leaf' } : { name: `level ${depth}`, left: chain(depth - 1) };

  test('go both ways, through each other, lists, maps and scopes', async () => {
    const input = {
      name: 'root',
      left: { name: 'l', right: { name: 'lr' } },
      children: [{ name: 'c', children: [{ name: 'cc' }, { name: '' }] }],
      byName: [{ key: 'k', value: { name: 'v', leaf: { weight: 1 } } }],
      leaf: { weight: -1, tree: { name: 'lt', leaf: { weight: 0 } }, veins: [{ name: 'n', leaf: { weight: 2 } }] },
    };
    const document = `query ($input: TreeInput) { tree(input: $input) {
      name left { name right { name left { name } } } right { name } children { name children { name } }
      byName { key value { name leaf { weight } } } leaf { weight tree { name leaf { weight tree { name } } } veins { name leaf { weight } } }
    } }`;
    expect(await lab.data(document, { input })).toEqual({
      tree: {
        name: 'root',
        left: { name: 'l', right: { name: 'lr', left: null } },
        right: null,
        children: [{ name: 'c', children: [{ name: 'cc' }, { name: '' }] }],
        byName: [{ key: 'k', value: { name: 'v', leaf: { weight: 1 } } }],
        leaf: {
          weight: -1,
          tree: { name: 'lt', leaf: { weight: 0, tree: null } },
          veins: [{ name: 'n', leaf: { weight: 2 } }],
        },
      },
    });
  });

  test('go a hundred deep both ways', async () => {
    const selection = (depth: number): string => (depth === 0 ? 'name' : `name left { ${selection(depth - 1)} }`);
    const document = `query ($input: TreeInput) { tree(input: $input) { ${selection(100)} } }`;
    expect(await lab.data(document, { input: chain(100) })).toEqual({ tree: chain(100) });
    expect(await lab.data('query ($input: JSON) { treeAsJson(input: $input) }', { input: chain(100) })).toMatchObject({
      treeAsJson: chain(100),
    });
  });

  test.each([101, 500])('%d levels are refused on their way in', async (depth) => {
    for (const [field, type, rest] of [
      ['tree', 'TreeInput', '{ name }'],
      ['treeAsJson', 'JSON', ''],
    ]) {
      const { errors, status } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) ${rest} }`, {
        input: chain(depth),
      });
      expect(status).toBe(400);
      expect(errors).toMatchObject([
        {
          message: `${['input', ...Array.from({ length: 101 }, () => 'left')].join('.')}: is nested too deeply.`,
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ]);
    }
    expect(lab.upstreams.control.count('Trees.Echo')).toBe(0);
  });

  test('an answer that is nested deeper cannot be read', async () => {
    const deep = (depth: number): Buffer => {
      let bytes = Buffer.alloc(0);
      for (let level = 0; level < depth; level++) {
        const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
        bytes = Buffer.concat([Buffer.from([0x12, ...length]), bytes]);
      }
      return bytes;
    };
    lab.upstreams.answer('Trees.Echo', () => deep(100));
    expect(await lab.data('{ tree { left { left { name } } } }')).toEqual({ tree: { left: { left: { name: '' } } } });
    lab.upstreams.answer('Trees.Echo', () => deep(150));
    const { errors, status } = await lab.graphql('{ tree { name } }');
    expect(errors).toMatchObject([{ extensions: { code: 'UPSTREAM_ERROR' } }]);
    expect(status).toBe(502);
  });
});

describe('long lists', () => {
  const size = 10_000;
  const lists = {
    strings: Array.from({ length: size }, (_, index) => `s${index}`),
    numbers: Array.from({ length: size }, (_, index) => String(2n ** 63n - 1n - BigInt(index))),
    bools: Array.from({ length: size }, (_, index) => index % 3 === 0),
    trees: Array.from({ length: size }, (_, index) => ({ name: `t${index}` })),
  };

  test('of ten thousand go both ways, none missing and in order', async () => {
    const document = 'query ($input: ListsInput) { lists(input: $input) { strings numbers bools trees { name } } }';
    const { lists: out } = await lab.data(document, { input: lists });
    expect(JSON.stringify(out)).toBe(JSON.stringify({ ...lists }));
  });

  test('that are empty stay empty', async () => {
    const input = { strings: [], numbers: [], bools: [], trees: [] };
    expect(
      await lab.data('query ($input: ListsInput) { lists(input: $input) { strings numbers bools trees { name } } }', {
        input,
      }),
    ).toEqual({ lists: input });
    expect(lab.upstreams.request('Trees.EchoLists')).toEqual({});
  });
});
