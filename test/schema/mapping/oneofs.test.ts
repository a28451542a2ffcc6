import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('choices');
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

const members = 'text number big flag data circle { radius } wrapped nothing at';
const unset = {
  text: null,
  number: null,
  big: null,
  flag: null,
  data: null,
  circle: null,
  wrapped: null,
  nothing: null,
  at: null,
};

/** One of each member, the defaults among them, and what it is on the wire. */
const choices: readonly (readonly [input: object, message: object])[] = [
  [{ text: '' }, { text: '' }],
  [{ text: 'a' }, { text: 'a' }],
  [{ number: 0 }, { number: 0 }],
  [{ big: '-9223372036854775808' }, { big: '-9223372036854775808' }],
  [{ flag: false }, { flag: false }],
  [{ data: '' }, { data: Buffer.alloc(0) }],
  [{ circle: { radius: 0 } }, { circle: { radius: 0 } }],
  [{ wrapped: '' }, { wrapped: { value: '' } }],
  [{ nothing: true }, { nothing: {} }],
  [{ at: '1970-01-01T00:00:00Z' }, { at: { seconds: '0', nanos: 0 } }],
];

describe('side by side', () => {
  const document = `query ($input: ChoiceInput) { choice(input: $input) { ${members} } }`;

  test.each(choices)('%j goes both ways, and the others are null', async (input, message) => {
    expect(await lab.data(document, { input })).toEqual({ choice: { ...unset, ...input } });
    expect(lab.upstreams.request('Choices.Echo')).toEqual(message);
  });

  test('none is none', async () => {
    expect(await lab.data(document, { input: {} })).toEqual({ choice: unset });
    expect(await lab.data(document, { input: { text: null, flag: null, nothing: false } })).toEqual({ choice: unset });
    expect(lab.upstreams.requests('Choices.Echo')).toEqual([{}, {}]);
  });

  test('two oneofs do not exclude each other', async () => {
    await lab.data(document, { input: { text: 'a', left: 'b' } });
    expect(lab.upstreams.request('Choices.Echo')).toEqual({ text: 'a', left: 'b' });
  });

  test.each([
    [{ text: 'a', number: 0 }, 'input.number', 'input.text and input.number'],
    [{ at: '2026-01-01T00:00:00Z', nothing: true }, 'input.at', 'input.nothing and input.at'],
    [{ left: '', right: '' }, 'input.right', 'input.left and input.right'],
    [{ inner: { flag: false, data: '' } }, 'input.inner.data', 'flag and data'],
    [{ list: [{}, { inner: { circle: {}, wrapped: 'a' } }] }, 'input.list[1].inner.wrapped', 'circle and wrapped'],
  ])('%j is refused, by its place', async (input, field, both) => {
    const { errors, status } = await lab.graphql(document, { input });
    expect(status).toBe(400);
    const description = `only one of ${both} may be given`;
    expect(errors).toMatchObject([
      {
        message: `${field}: ${description}.`,
        extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field, description }] },
      },
    ]);
    expect(lab.upstreams.control.count('Choices.Echo')).toBe(0);
  });

  test('a false that stands for an Empty is not set', async () => {
    await lab.data(document, { input: { text: 'a', nothing: false } });
    expect(lab.upstreams.request('Choices.Echo')).toEqual({ text: 'a' });
  });
});

describe('by arguments', () => {
  test('one goes in', async () => {
    await lab.data('{ choiceByArguments(number: 0, other: "r") { number } }');
    expect(lab.upstreams.request('Choices.Echo')).toEqual({ number: 0, right: 'r' });
  });

  test.each([
    ['{ choiceByArguments(text: "", big: "1") { text } }', 'big', 'text and big'],
    ['{ choiceByArguments(left: "", other: "") { text } }', 'other', 'left and other'],
    ['{ choiceByArguments(number: 1, nothing: true) { text } }', 'nothing', 'number and nothing'],
    ['{ mixedChoice(text: "a", choice: { number: 1 }) { text } }', 'choice.number', 'text and choice.number'],
    ['{ innerChoice(text: "a", number: 1) { text } }', 'number', 'text and number'],
    ['{ choiceAsJson(input: { text: "a", inner: { left: "b", right: "c" } }) }', 'input.inner.right', 'left and right'],
    ['{ choiceAsJson(input: { text: "a", number: 1 }) }', 'input.number', 'text and number'],
  ])('%s is refused', async (document, field, both) => {
    const { errors } = await lab.graphql(document);
    const description = `only one of ${both} may be given`;
    expect(errors).toMatchObject([
      {
        message: `${field}: ${description}.`,
        extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field, description }] },
      },
    ]);
    expect(lab.upstreams.control.count('Choices.Echo')).toBe(0);
  });

  test('parts of a message come together', async () => {
    await lab.data('{ a: mixedChoice(choice: { number: 1 }) { text } }');
    expect(lab.upstreams.request('Choices.Echo')).toEqual({ number: 1 });
    await lab.data('{ innerChoice(number: 1) { inner { number } } }');
    expect(lab.upstreams.request('Choices.Echo')).toEqual({ inner: { number: 1 } });
  });
});

describe('as JSON', () => {
  test('a message goes both ways whole, with what is set', async () => {
    const input = {
      big: '5',
      right: '',
      inner: { at: '2026-01-31T12:00:00Z', list: [] },
      list: [
        { nothing: {}, list: [] },
        { wrapped: 'w', list: [] },
      ],
    };
    expect(await lab.data('query ($input: JSON) { choiceAsJson(input: $input) }', { input })).toEqual({
      choiceAsJson: input,
    });
  });
});

describe('as a union', () => {
  const selection = `__typename ... on Circle { radius } ... on Square { side } ... on Path { path }
    ... on Numbered { value } ... on Nothing { nothing } ... on Taken { takenAt }`;
  const shapes = [
    [{ circle: { radius: 0 } }, { __typename: 'Circle', radius: 0 }],
    [{ square: { side: 2 } }, { __typename: 'Square', side: 2 }],
    [{ path: '' }, { __typename: 'Path', path: '' }],
    [{ number: '9223372036854775807' }, { __typename: 'Numbered', value: '9223372036854775807' }],
    [{ nothing: true }, { __typename: 'Nothing', nothing: true }],
    [{ takenAt: '2026-01-31T12:00:00Z' }, { __typename: 'Taken', takenAt: '2026-01-31T12:00:00Z' }],
  ] as const;

  test.each(shapes)('%j goes both ways', async (shape, shown) => {
    const document = `query ($input: DrawingInput) {
      drawing(input: $input) { name shape { ${selection} } }
      shape(input: $input) { ${selection} }
    }`;
    expect(await lab.data(document, { input: { name: 'n', shape } })).toEqual({
      drawing: { name: 'n', shape: shown },
      shape: shown,
    });
  });

  test('several oneofs of a message are told apart', async () => {
    lab.upstreams.answer('Choices.EchoShape', () => ({ path: 'p', texture: Buffer.from([1]) }));
    const document = `{ drawing { shape { ... on Path { path } } paint { __typename ... on Texture { texture } } } }`;
    expect(await lab.data(document)).toEqual({
      drawing: { shape: { path: 'p' }, paint: { __typename: 'Texture', texture: 'AQ==' } },
    });
  });

  test('none is null', async () => {
    expect(await lab.data(`{ drawing { shape { __typename } paint { __typename } } shape { __typename } }`)).toEqual({
      drawing: { shape: null, paint: null },
      shape: null,
    });
  });

  test('an input takes exactly one', async () => {
    const document = 'query ($input: DrawingInput) { shape(input: $input) { __typename } }';
    for (const shape of [{}, { path: 'a', number: 1 }, { path: null }]) {
      const { errors } = await lab.graphql(document, { input: { shape } });
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
    const { errors } = await lab.graphql(document, { input: { color: 'red', texture: 'AA==' } });
    expect(errors).toMatchObject([{ extensions: { fieldViolations: [{ field: 'input.texture' }] } }]);
    expect(lab.upstreams.control.count('Choices.EchoShape')).toBe(0);
  });

  test('each event of a stream', async () => {
    lab.upstreams.answer('Choices.WatchShapes', async function* () {
      yield* [{ circle: { radius: 1 } }, {}, { path: 'p' }];
    });
    const events: unknown[] = [];
    for await (const event of lab.subscribe(`subscription { shapes { ${selection} } }`)) events.push(event.data);
    expect(events).toEqual([
      { shapes: { __typename: 'Circle', radius: 1 } },
      { shapes: null },
      { shapes: { __typename: 'Path', path: 'p' } },
    ]);
  });
});
