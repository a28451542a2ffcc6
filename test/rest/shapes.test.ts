/** The members of a route's answer have the names of the selection, and its directives, wherever they are selected. */
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';

const proto = `
syntax = "proto3";
package own.v1;
service OwnService {
  rpc Get(Empty) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Watch(Empty) returns (stream Thing);
}
message Empty {}
enum State { STATE_UNSPECIFIED = 0; STATE_IN_PROGRESS = 1; STATE_DONE = 2; }
message Thing {
  string name = 1; State state = 2; repeated State states = 3; Part part = 4; repeated Part parts = 5; string etag = 6;
  oneof kind { Wheel wheel = 7; Wing wing = 8; }
}
message Part { State state = 1; string version = 2; Part part = 3; }
message Wheel { State state = 1; }
message Wing { State state = 1; }`;

const sdl = `
type Query { get: Thing @public @grpc(rpc: "Get") }
type Subscription { watch: Thing @public @grpc(rpc: "Watch") }
type Thing {
  name: String state: State states: [State] part: Part parts: [Part!]! etag: String kind: Kind wheel: Wheel wing: Wing
}
type Part { state: State version: String part: Part }
interface Stated { state: State }
type Wheel implements Stated { state: State }
type Wing implements Stated { state: State }
union Kind = Wheel | Wing
enum State { IN_PROGRESS DONE }`;

const selections: Readonly<Record<string, string>> = {
  nested:
    '{ c: part { s: state @enumCase(as: SNAKE) p: part { q: part { s: state } s: state @enumCase(as: CAMEL) } } }',
  lists:
    '{ all: states @enumCase(as: KEBAB) items: parts { s: state @enumCase(as: PASCAL) p: part { s: state @enumCase(as: SNAKE) } } }',
  fragments: '{ ...Version ...Status ... on Thing { title: name ... { tag: etag @header(name: "ETag") } } }',
  headers:
    '{ p: part { s: state @enumCase(as: KEBAB) @header(name: "X-State") v: version @header(name: "X-Version") } }',
  union:
    '{ k: kind { t: __typename ... on Wheel { s: state @enumCase(as: PASCAL) } ... on Wing { s: state @enumCase(as: PASCAL) } } }',
  interface: '{ k: kind { ... on Stated { s: state @enumCase(as: PASCAL) } } }',
  members: '{ round: wheel { s: state @enumCase(as: PASCAL) } flat: wing { s: state } n: name }',
  order: '{ z: name a: etag m: name state @enumCase(as: SNAKE) b: state @enumCase(as: CAMEL) }',
};

const rest = `
fragment Status on Thing { c: part { status: state @enumCase(as: PASCAL) } }
fragment Version on Thing { c: part { v: version @header(name: "X-Version") p: part { s: state @enumCase(as: KEBAB) } } }
query fragments @rest(method: GET, path: "/fragments") { get ${selections['fragments']} }
${Object.entries(selections)
  .filter(([name]) => name !== 'fragments')
  .map(([name, selection]) => `query ${name} @rest(method: GET, path: "/${name}") { thing: get ${selection} }`)
  .join('\n')}
subscription Watch @rest(method: GET, path: "/watch") {
  e: watch { title: name ...Items round: wheel { s: state @enumCase(as: PASCAL) } flat: wing { s: state } }
}
fragment Items on Thing { items: parts { s: state @enumCase(as: PASCAL) p: part { s: state @enumCase(as: SNAKE) } } }
`;

const part = { state: 1, version: '7', part: { state: 1 } };
const thing = { name: 'n', state: 1, states: [1, 2], part, parts: [part, {}], etag: '"e"', wheel: { state: 1 } };

let here: OwnWorld;
beforeAll(async () => {
  const handlers = {
    Get: () => thing,
    async *Watch() {
      yield thing;
      yield { wing: {} };
    },
  };
  here = await startOwnWorld({ proto, sdl, rest, handlers });
});
afterAll(() => here.close());

test.each<[path: string, text: string, headers: object]>([
  ['/nested', '{"c":{"s":"in_progress","p":{"q":null,"s":"inProgress"}}}', {}],
  [
    '/lists',
    '{"all":["in-progress","done"],"items":[{"s":"InProgress","p":{"s":"in_progress"}},{"s":null,"p":null}]}',
    {},
  ],
  [
    '/fragments',
    '{"c":{"p":{"s":"in-progress"},"status":"InProgress"},"title":"n"}',
    { etag: '"e"', 'x-version': '7' },
  ],
  ['/headers', '{"p":{}}', { 'x-state': 'in-progress', 'x-version': '7' }],
  ['/union', '{"k":{"t":"Wheel","s":"InProgress"}}', {}],
  ['/interface', '{"k":{"s":"InProgress"}}', {}],
  ['/members', '{"round":{"s":"InProgress"},"n":"n"}', {}],
  ['/order', '{"z":"n","a":"\\"e\\"","m":"n","state":"in_progress","b":"inProgress"}', {}],
])('%s is %s', async (path, text, headers) => {
  const response = await fetch(`${here.world.url}${path}`);
  expect([response.status, await response.text()]).toEqual([200, text]);
  expect(Object.fromEntries(response.headers)).toMatchObject(headers);
});

test('the events of a stream too, which are named after the members as they are called', async () => {
  const response = await fetch(`${here.world.url}/watch`, { headers: { accept: 'application/x-ndjson' } });
  const lines = (await response.text()).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      event: 'round',
      data: {
        title: 'n',
        items: [
          { s: 'InProgress', p: { s: 'in_progress' } },
          { s: null, p: null },
        ],
        round: { s: 'InProgress' },
      },
    },
    { event: 'flat', data: { title: '', items: [], flat: { s: null } } },
    { event: 'done' },
  ]);
});
