/** The examples of the OpenAPI document: there, and true to the schemas that they stand beside. */
import { startWorld, type Decoded, type World } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { resolved } from './openapi-audit';
import { misfits, problemsOf } from './openapi-fixture';

interface Content {
  /** Where it stands, such as `GET /find 200 application/json`. */
  readonly place: string;
  readonly schema: Decoded;
  readonly examples: readonly unknown[];
}

/** Every body of a document: of requests, of answers and of the responses among the components. */
function contentsOf(openApi: Decoded): Content[] {
  const contents = (place: string, holder: Decoded): Content[] =>
    Object.entries<Decoded>(resolved(openApi, holder)?.content ?? {}).map(([type, { schema, example, examples }]) => ({
      place: `${place} ${type}`,
      schema,
      examples: examples ? Object.values<Decoded>(examples).map(({ value }) => value as unknown) : [example],
    }));
  const operations = Object.entries<Decoded>(openApi.paths).flatMap(([path, methods]) =>
    Object.entries<Decoded>(methods).flatMap(([method, { requestBody, responses }]) => [
      ...contents(`${method.toUpperCase()} ${path}`, requestBody),
      ...Object.entries<Decoded>(responses).flatMap(([status, response]) =>
        contents(`${method.toUpperCase()} ${path} ${status}`, response),
      ),
    ]),
  );
  // A page of HTML has none.
  return operations.filter(({ place }) => !place.endsWith('text/html'));
}

/** Checks that everything has an example that fits. */
function expectExamples(openApi: Decoded): Content[] {
  const contents = contentsOf(openApi);
  for (const { place, schema, examples } of contents) {
    expect([place, examples.filter((each) => each === undefined)]).toEqual([place, []]);
    for (const each of examples) expect([place, misfits(openApi, schema, each)]).toEqual([place, undefined]);
  }
  return contents;
}

const get = (url: string): Promise<Decoded> => fetch(`${url}/api/openapi.json`).then((response) => response.json());

describe('of the schema of this repository', () => {
  let world: World;
  let document: Decoded;
  beforeAll(async () => {
    world = await startWorld();
    document = await get(world.url);
  });
  afterAll(() => world.close());

  test('there is one of every body, and it fits', () => {
    expect(expectExamples(document).length).toBeGreaterThan(50);
  });

  test('what is sent like an example is taken', async () => {
    const { example } = document.paths['/api/v1/users/{userId}'].patch.requestBody.content['application/json'];
    const { status, body } = await world.rest('PATCH', '/api/v1/users/user-mel', {
      body: { ...example, roles: ['member'] },
    });
    expect([status, body.displayName, body.status]).toEqual([200, example.displayName, example.status]);
  });

  test('a stream looks as its example does', async () => {
    const { content } = document.paths['/api/v1/ai'].post.responses['200'];
    const answers = await Promise.all(
      ['text/event-stream', 'application/x-ndjson'].map(async (accept) =>
        fetch(`${world.url}/api/v1/ai`, {
          method: 'POST',
          headers: { accept, authorization: `Bearer ${world.auth.adminToken}`, 'content-type': 'application/json' },
          body: JSON.stringify({ query: 'count to 2' }),
        }).then((response) => response.text()),
      ),
    );
    const [sse = '', ndjson = ''] = answers;
    /** The lines of the events, by their names: which there are, and how they begin. */
    const formsOf = (text: string) =>
      new Map(
        text
          .split('\n\n')
          .filter((block) => block.includes('data: '))
          .map((block) => [
            /^event: (.*)$/m.exec(block)?.[1],
            block.split('\n').map((line) => line.replace(/:.*/, '')),
          ]),
      );
    const [seen, described] = [formsOf(sse), formsOf(content['text/event-stream'].example as string)];
    expect([...seen.keys()]).toEqual(['delta', 'answer', 'done']);
    for (const [event, lines] of seen) expect([event, lines]).toEqual([event, described.get(event)]);
    const lines = ndjson
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly event: string });
    expect(new Set(lines.map(({ event }) => event))).toEqual(new Set(['delta', 'answer', 'done']));
    for (const line of lines) {
      expect(misfits(document, content['application/x-ndjson'].schema, line)).toBeUndefined();
    }
  });
});

describe('of a schema of another kind', () => {
  let own: OwnWorld;
  let document: Decoded;
  beforeAll(async () => {
    own = await startOwnWorld({
      proto: `
        syntax = "proto3";
        package own.v1;
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto";
        service OwnService {
          rpc Find(Filter) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
          rpc Change(Filter) returns (Thing);
          rpc Watch(Filter) returns (stream Event);
        }
        enum State { STATE_UNSPECIFIED = 0; STATE_IN_PROGRESS = 1; }
        message Filter { repeated Filter any = 1; Filter one = 2; int64 since = 3; repeated State states = 4; Other other = 5; }
        message Other { Filter back = 1; string note = 2; }
        message Thing {
          string thing_id = 1; google.protobuf.Timestamp made = 2; google.protobuf.Duration lasts = 3;
          google.protobuf.Struct more = 4; repeated double sizes = 5; string home_url = 6; bool is_new = 7; int64 count = 8;
          oneof kind { Wheel wheel = 9; Wing wing = 10; }
        }
        message Event { oneof what { Wheel wheel = 1; Wing wing = 2; } }
        message Wheel { int64 size = 1; }
        message Wing { double span = 1; oneof part { string left = 2; string right = 3; } }`,
      sdl: `
        type Query { find(input: FilterInput): Thing @public @grpc(rpc: "Find") }
        type Mutation { change(input: FilterInput!): Thing @public @grpc(rpc: "Change") }
        type Subscription { watch: What @public @grpc(rpc: "Watch", response: "what") }
        input FilterInput { any: [FilterInput!] one: FilterInput since: BigInt states: [State!] = [IN_PROGRESS] other: OtherInput }
        input OtherInput { back: FilterInput "Such as \`a short note\`." note: String! }
        type Thing {
          thingId: ID! made: DateTime lasts: Duration more: JSON sizes: [Float!]! homeUrl: String! isNew: Boolean!
          count: BigInt! wheel: Wheel wing: Wing
        }
        union What = Wheel | Wing
        type Wheel { size: BigInt }
        type Wing { span: Float left: String right: String }
        enum State { IN_PROGRESS }`,
      rest: `
        query Find @rest(method: GET, path: "/find") {
          find { thingId made lasts more sizes homeUrl isNew count wheel { size } wing { span left right } }
        }
        mutation Change($input: FilterInput!) @rest(method: POST, path: "/change", body: "input") {
          change(input: $input) { thingId }
        }
        subscription Watch @rest(method: GET, path: "/watch") {
          watch { __typename ... on Wheel { size } ... on Wing { span left right } }
        }`,
      handlers: {
        Find: () => ({}),
        Change: () => ({}),
        Watch: () => ({}),
      },
    });
    document = await get(own.world.url);
  });
  afterAll(() => own.close());

  test('there is one of every body, and it fits', async () => {
    expect(await problemsOf(document)).toEqual({ valid: true });
    expectExamples(document);
  });

  test('each scalar has a value of its own, and of a oneof one member is there', () => {
    expect(document.paths['/find'].get.responses['200'].content['application/json'].example).toEqual({
      thingId: 'thing-1',
      made: '2026-01-02T03:04:05Z',
      lasts: '1.5s',
      more: 'more',
      sizes: [1.5],
      homeUrl: 'https://example.com/',
      isNew: true,
      count: '42',
      wheel: { size: '42' },
    });
  });

  test('an input that holds itself ends, and defaults and descriptions give values', () => {
    expect(document.paths['/change'].post.requestBody.content['application/json'].example).toEqual({
      since: '42',
      states: ['IN_PROGRESS'],
      other: { note: 'a short note' },
    });
  });

  test('a stream of a union has an event of each type', () => {
    const { content } = document.paths['/watch'].get.responses['200'];
    expect(content['text/event-stream'].example).toMatch(
      /^id: \S+\nevent: wheel\ndata: \{"__typename":"Wheel","size":"42"\}\n\nid: \S+\nevent: wing\ndata: \{"__typename":"Wing","span":1.5,"left":"left"\}\n\nid: \S+\nevent: done\ndata: \{\}\n\n$/,
    );
    expect(Object.keys(content['application/x-ndjson'].examples)).toEqual(['wheel', 'wing', 'done']);
  });
});
