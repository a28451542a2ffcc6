import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('enums');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

async function read(field: string, selection: string, message: object) {
  lab.upstreams.answer('Enums.Echo', () => message);
  const { data, errors } = await lab.graphql(`{ ${field} { ${selection} } }`);
  return { value: data[field], errors };
}

async function write(type: string, field: string, input: object) {
  const { errors } = await lab.graphql(`query ($input: ${type}) { ${field}(input: $input) { __typename } }`, { input });
  return { request: lab.upstreams.request('Enums.Echo'), errors };
}

test('the prefix of all values goes: the name of the enum, with acronyms too, unless a digit would be first', async () => {
  expect(await read('paint', 'color version size state', { color: 3, version: 2, size: 20, state: 2 })).toEqual({
    value: { color: 'ULTRA_VIOLET', version: 'H2', size: 'SIZE_20', state: 'DRY' },
    errors: undefined,
  });
  const { request } = await write('PaintInput', 'paint', {
    color: 'ULTRA_VIOLET',
    version: 'H2',
    size: 'SIZE_20',
    state: 'DRY',
  });
  expect(request).toEqual({ color: 3, version: 2, size: 20, state: 2 });
});

test('negative numbers go both ways', async () => {
  const numbers = { color: -1, maybe: -2147483648, colors: [-1, 1] };
  const names = { color: 'INFRARED', maybe: 'LOWEST', colors: ['INFRARED', 'RED'] };
  expect((await read('paint', 'color maybe colors', numbers)).value).toEqual(names);
  expect((await write('PaintInput', 'paint', names)).request).toEqual(numbers);
});

test('unspecified is null, whether it was on the wire or not', async () => {
  const selection = 'color maybe colors byName { key value } version state maybeGloss single';
  const unspecified = { maybe: 0, colors: [0, 1, 0], by_name: { a: 0, b: 1 }, single: 0 };
  expect(await read('paint', selection, unspecified)).toEqual({
    value: {
      color: null,
      maybe: null,
      colors: [null, 'RED', null],
      byName: [
        { key: 'a', value: null },
        { key: 'b', value: 'RED' },
      ],
      version: null,
      state: null,
      maybeGloss: null,
      single: null,
    },
    errors: undefined,
  });
});

test('a zero that means something is shown, unless it is optional and not set', async () => {
  expect((await read('paint', 'gloss size maybeGloss finish', {})).value).toEqual({
    gloss: 'DULL',
    size: 'SIZE_0',
    maybeGloss: null,
    finish: null,
  });
  expect((await read('paint', 'maybeGloss finish', { maybe_gloss: 0, finish: 0 })).value).toEqual({
    maybeGloss: 'DULL',
    finish: 'DULL',
  });
});

test('null, and what is left out, is not sent; a zero that was said is', async () => {
  const { request } = await write('PaintInput', 'paint', {
    color: null,
    maybe: null,
    colors: null,
    maybeGloss: 'DULL',
  });
  expect(request).toEqual({ maybe_gloss: 0 });
});

test('an unknown number is an error of its field, or of its place in a list, and of no other', async () => {
  const message = { color: 77, maybe: 1, colors: [1, 88, 2], by_name: { a: 99, b: 1 }, state: -9, gloss: 1 };
  const { value, errors } = await read('paint', 'color maybe colors byName { key value } state gloss', message);
  expect(value).toEqual({
    color: null,
    maybe: 'RED',
    colors: ['RED', null, 'GREEN'],
    byName: [
      { key: 'a', value: null },
      { key: 'b', value: 'RED' },
    ],
    state: null,
    gloss: 'SATIN',
  });
  expect(errors).toEqual(
    [['color'], ['colors', 1], ['byName', 0, 'value'], ['state']].map((path) =>
      expect.objectContaining({
        path: ['paint', ...path],
        message: 'A service behind the gateway failed.',
        extensions: expect.objectContaining({ code: 'UPSTREAM_ERROR' }),
      }),
    ),
  );
});

test('one of several names is shown by what the SDL lists', async () => {
  expect((await read('paint', 'gloss', { gloss: 2 })).value).toEqual({ gloss: 'GLOSSY' });
  expect((await read('renamed', 'gloss', { gloss: 2 })).value).toEqual({ gloss: 'GLOSSY' });
  expect((await read('renamed', 'gloss', { gloss: 0 })).value).toEqual({ gloss: 'MATT' });
  for (const [gloss, number] of Object.entries({ MATT: 0, DULL: 0, SATIN: 1, SHINY: 2, GLOSSY: 2 })) {
    expect((await write('RenamedInput', 'renamed', { gloss })).request).toEqual({ gloss: number });
  }
});

test('renamed values, the unspecified one among them, are what the SDL calls them', async () => {
  const numbers = { color: 0, colors: [0, 1, 2, 3, -1] };
  const names = { color: 'NONE', colors: ['NONE', 'GREEN', 'RED', 'ULTRA_VIOLET', 'WARM'] };
  expect(await read('renamed', 'color colors', numbers)).toEqual({ value: names, errors: undefined });
  expect((await write('RenamedInput', 'renamed', names)).request).toEqual(numbers);
});

test('constants and arguments in a request', async () => {
  await lab.data(
    '{ redPaint { color } paintByArguments(color: GREEN, colors: [RED, INFRARED], glossOf: SATIN) { color } }',
  );
  expect(lab.upstreams.requests('Enums.Echo')).toEqual(
    expect.arrayContaining([
      { color: 1, gloss: 2, version: 3 },
      { color: 2, colors: [1, -1], gloss: 1 },
    ]),
  );
});

test('values that there are not are refused', async () => {
  for (const input of [{ color: 'UNSPECIFIED' }, { color: 'COLOR_RED' }, { color: 1 }, { gloss: 'MATT' }]) {
    const { errors, request } = await write('PaintInput', 'paint', input);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(request).toBeUndefined();
  }
});

test('at the root', async () => {
  for (const [color, name] of [
    [0, null],
    [1, 'RED'],
  ] as const) {
    lab.upstreams.answer('Enums.Echo', () => ({ color }));
    expect(await lab.data('{ colorAtTheRoot }')).toEqual({ colorAtTheRoot: name });
  }
  lab.upstreams.answer('Enums.Echo', () => ({ color: 99 }));
  const { data, errors, status } = await lab.graphql('{ colorAtTheRoot }');
  expect(data).toEqual({ colorAtTheRoot: null });
  expect(errors).toMatchObject([{ path: ['colorAtTheRoot'], extensions: { code: 'UPSTREAM_ERROR' } }]);
  expect(status).toBe(502);
});
