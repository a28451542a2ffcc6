import {
  buildSchema,
  createSourceEventStream,
  execute,
  Kind,
  parse,
  type FieldNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
} from 'graphql';
import {
  collectFields,
  collectSubfields,
  inspect,
  mapAsyncIterator,
  specifiedSDLRules,
  validateSDL,
} from '../../src/internals/graphql';

const schema = buildSchema(`
  type Query { a: Node b: String c: String }
  interface Named { name: String }
  type Node implements Named { id: ID name: String node: Node }
  type Subscription { tick: Int }`);

function partsOf(text: string) {
  const { definitions } = parse(text);
  const fragments = definitions.filter(
    (each): each is FragmentDefinitionNode => each.kind === Kind.FRAGMENT_DEFINITION,
  );
  return {
    operation: definitions.find((each): each is OperationDefinitionNode => each.kind === Kind.OPERATION_DEFINITION)!,
    fragments: Object.fromEntries(fragments.map((each) => [each.name.value, each])),
  };
}

/** Response names with the fields behind them, in order. */
function names(groups: ReadonlyMap<string, readonly FieldNode[]>): unknown {
  return [...groups].map(([key, nodes]) => [key, nodes.map(({ name }) => name.value)]);
}

describe('collectFields', () => {
  test('groups by response name, through fragments, and leaves out what is skipped', () => {
    const { operation, fragments } = partsOf(`
      query ($yes: Boolean!) {
        x: b
        b @skip(if: $yes)
        c @include(if: $yes)
        ...F
        ... on Node { id }
        x: b
      }
      fragment F on Query { a { id } c }`);
    const fields = collectFields(schema, fragments, { yes: true }, schema.getQueryType()!, operation.selectionSet);
    expect(names(fields)).toEqual([
      ['x', ['b', 'b']],
      ['c', ['c', 'c']],
      ['a', ['a']],
    ]);
  });

  test('throws where a condition cannot be read', () => {
    const { operation, fragments } = partsOf('query ($no: Boolean) { b @skip(if: $no) }');
    expect(() => collectFields(schema, fragments, {}, schema.getQueryType()!, operation.selectionSet)).toThrow(
      'Argument "if" of required type "Boolean!"',
    );
  });
});

test('collectSubfields merges what several fields of one name select of a type', () => {
  const { operation, fragments } = partsOf(`
    { a { id node { id } } a { name ...N ... on Named { node { name } } } }
    fragment N on Node { id }`);
  const nodes = operation.selectionSet.selections as readonly FieldNode[];
  const node = schema.getType('Node') as Parameters<typeof collectSubfields>[3];
  expect(names(collectSubfields(schema, fragments, {}, node, nodes))).toEqual([
    ['id', ['id', 'id']],
    ['node', ['node', 'node']],
    ['name', ['name']],
  ]);
});

describe('mapAsyncIterator', () => {
  /** Events, and whether the one who makes them was told that it is over. */
  function source() {
    const state = { isOver: false };
    async function* generate() {
      try {
        for (let tick = 1; tick <= 3; tick++) yield await Promise.resolve(tick);
      } finally {
        state.isOver = true;
      }
    }
    return { state, events: generate() };
  }

  test('maps what comes from a source of events, to its end', async () => {
    const { state, events } = source();
    const stream = await createSourceEventStream({
      schema,
      document: parse('subscription { tick }'),
      rootValue: { tick: () => events },
    });
    if (!(Symbol.asyncIterator in stream)) throw new Error('it is no stream');
    const mapped: unknown[] = [];
    for await (const each of mapAsyncIterator(stream, (tick) => Promise.resolve(`at ${String(tick)}`))) {
      mapped.push(each);
    }
    expect(mapped).toEqual(['at 1', 'at 2', 'at 3']);
    expect(state.isOver).toBe(true);
  });

  test('ends the source where it is returned, and where an event cannot be mapped', async () => {
    const returned = source();
    const iterator = mapAsyncIterator(returned.events, (tick) => tick);
    await iterator.next();
    await iterator.return(undefined);
    expect(returned.state.isOver).toBe(true);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });

    const failing = source();
    const broken = mapAsyncIterator(failing.events, () => {
      throw new Error('no');
    });
    await expect(broken.next()).rejects.toThrow('no');
    expect(failing.state.isOver).toBe(true);
  });
});

test('inspect writes values as the errors of graphql-js do', async () => {
  const value = { list: [1, 'two', null], nested: { deep: { deeper: {} } } };
  const { errors } = await execute({ schema, document: parse('{ b }'), rootValue: { b: value } });
  expect(errors?.[0]?.message).toBe(`String cannot represent value: ${inspect(value)}`);
  expect(inspect(value)).toBe('{ list: [1, "two", null], nested: { deep: [Object] } }');
});

describe('SDL is checked by some of the rules', () => {
  const sdl = parse('type A { a: String @unknown, a: Missing @deprecated(why: "no") }');

  test('each of which tells its own errors, with their places', () => {
    const directives = specifiedSDLRules.filter(({ name }) => name.includes('Directive'));
    const others = specifiedSDLRules.filter((rule) => !directives.includes(rule));
    const messages = (rules: typeof directives) => validateSDL(sdl, null, rules).map(({ message }) => message);
    expect(messages(directives)).toEqual([
      'Unknown directive "@unknown".',
      'Unknown argument "why" on directive "@deprecated".',
    ]);
    expect(messages(others)).toEqual(['Field "A.a" can only be defined once.', 'Unknown type "Missing".']);
    expect(validateSDL(sdl, null, directives)[0]?.locations).toEqual([{ line: 1, column: 20 }]);
  });

  test('all of which are there', () => {
    expect(specifiedSDLRules.map(({ name }) => name).sort()).toEqual([
      'KnownArgumentNamesOnDirectivesRule',
      'KnownDirectivesRule',
      'KnownTypeNamesRule',
      'LoneSchemaDefinitionRule',
      'PossibleTypeExtensionsRule',
      'ProvidedRequiredArgumentsOnDirectivesRule',
      'UniqueArgumentDefinitionNamesRule',
      'UniqueArgumentNamesRule',
      'UniqueDirectiveNamesRule',
      'UniqueDirectivesPerLocationRule',
      'UniqueEnumValueNamesRule',
      'UniqueFieldDefinitionNamesRule',
      'UniqueInputFieldNamesRule',
      'UniqueOperationTypesRule',
      'UniqueTypeNamesRule',
    ]);
  });
});
