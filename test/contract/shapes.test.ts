import { mistake, removeFolders, type Edits } from './fixture';

afterAll(removeFolders);

/** Shapes of messages that the shop has no use for. */
const thing = `syntax = "proto3";
package thing.v1;

service Things {
  rpc Get(GetRequest) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Look(LookRequest) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Find(FindRequest) returns (FindResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
}

message GetRequest {
  string id = 1;
  map<string, int32> limits = 2;
}
message LookRequest {
  Ref ref = 1;
}
message FindRequest {
  repeated string ids = 1;
}
message FindResponse {
  repeated Thing things = 1;
}
message Thing {
  Ref ref = 1;
  repeated Ref refs = 2;
  map<string, Mood> moods = 3;
  oneof origin {
    Place born = 4;
    string found = 5;
    Mood felt = 6;
  }
  oneof home {
    Place first = 7;
    Place second = 8;
  }
}
message Ref {
  string id = 1;
}
message Place {
  string name = 1;
}
enum Mood {
  MOOD_UNSPECIFIED = 0;
  MOOD_GOOD = 1;
}
`;

const strictThing = `syntax = "proto2";
package thing.v1;

service Things {
  rpc Get(GetRequest) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; }
}

message GetRequest {
  required string id = 1;
  optional Limit limit = 2;
}
message Limit {
  required string text = 1;
  optional int32 count = 2;
}
message Thing {
  optional string name = 1;
}
`;

/** The shop with a service of things beside it. */
function things(sdl: string, proto = thing): Edits {
  const head = 'extend schema @upstream(name: "store", service: "thing.v1.Things")\n';
  return { 'schema/thing.graphql': head + sdl, 'proto/thing/v1/thing.proto': proto };
}

const query = 'type Query {\n  thing(id: ID!): Thing @public @grpc(rpc: "Get")\n}\n';
const mood = 'enum Mood {\n  GOOD\n}\n';

describe('parts of a response', () => {
  mistake(
    'non-null within what can be unset',
    things('type Query {\n  ref(id: ID!): ID! @public @grpc(rpc: "Get", response: "ref.id")\n}\n'),
    ['schema/thing.graphql:3:3: ref is non-null, but ref.id of thing.v1.Thing can be unset', '    Make it ID.'],
  );
});

describe('maps', () => {
  mistake(
    'an entry with another field',
    things(`${query}type Thing {
  moods: [MoodEntry!]!
}
type MoodEntry {
  key: String!
  value: Mood
  since: DateTime
}
${mood}`),
    [
      'schema/thing.graphql:11:3: MoodEntry.since: an entry of a map has no field "since"',
      '    Its fields are key, value.',
    ],
  );
  mistake(
    'an entry whose value is non-null',
    things(`${query}type Thing {
  moods: [MoodEntry!]!
}
type MoodEntry {
  key: String!
  value: Mood!
}
${mood}`),
    [
      'schema/thing.graphql:10:3: MoodEntry.value is non-null, but thing.v1.Mood can be unspecified',
      '    Make it Mood.',
    ],
  );
  mistake(
    'an entry of an argument with another field',
    things(`type Query {
  thing(id: ID!, limits: [LimitEntry!]): Thing @public @grpc(rpc: "Get")
}
type Thing {
  ref: JSON
}
input LimitEntry {
  key: String!
  value: Int!
  unit: String
}
`),
    [
      'schema/thing.graphql:11:3: LimitEntry.unit: an entry of a map has no field "unit"',
      '    Its fields are key, value.',
    ],
  );
  mistake('a map in place of one value', things(`${query}type Thing {\n  moods: Int\n}\n`), [
    'schema/thing.graphql:6:3: moods is Int, but thing.v1.Thing.moods is map<string, thing.v1.Mood>',
    '    It can be JSON or a list of an object type with key and value.',
  ]);
});

describe('unions', () => {
  const members = `type Place {
  name: String!
}
type Found @proto(field: "found") {
  found: String!
}
type Felt @proto(field: "felt") {
  felt: Mood
}
${mood}`;

  mistake(
    'that are non-null',
    things(`${query}type Thing {\n  origin: Origin!\n}\nunion Origin = Place | Found | Felt\n${members}`),
    ['schema/thing.graphql:6:3: origin is non-null, but thing.v1.Thing.origin can be unset', '    Make it Origin.'],
  );
  mistake(
    'that cannot tell two members apart',
    things(`${query}type Thing {
  home: Home
}
union Home = First | Second
type First @proto(field: "first") {
  name: String!
}
type Second @proto(field: "second") {
  name: String!
}
`),
    [
      'schema/thing.graphql:6:3: Home cannot tell First from Second: both are thing.v1.Place',
      '    Use nullable fields side by side in place of the union Home.',
    ],
  );
  mistake(
    'with a member that has another field',
    things(
      `${query}type Thing {\n  origin: Origin\n}\nunion Origin = Place | Found | Felt\n${members.replace('found: String!', 'text: String!')}`,
    ),
    [
      'schema/thing.graphql:13:3: Found.text: Found stands for "found", which has no field "text"',
      '    Call it found, or say @proto(field: "found").',
    ],
  );
  mistake(
    'with a member that may be unspecified',
    things(
      `${query}type Thing {\n  origin: Origin\n}\nunion Origin = Place | Found | Felt\n${members.replace('felt: Mood', 'felt: Mood!')}`,
    ),
    ['schema/thing.graphql:16:3: felt is non-null, but thing.v1.Thing.felt can be unset', '    Make it Mood.'],
  );
});

describe('what is required', () => {
  const strict = 'type Thing {\n  name: String\n}\n';
  mistake('of a request', things(`type Query {\n  thing: Thing @public @grpc(rpc: "Get")\n}\n${strict}`, strictThing), [
    'schema/thing.graphql:3:24: nothing fills id, which thing.v1.GetRequest requires',
    '    Add an argument id, or say id: in request:.',
  ]);
  mistake(
    'of a message in a request',
    things(
      `type Query {\n  thing(id: ID!, limit: LimitInput): Thing @public @grpc(rpc: "Get")\n}\n${strict}input LimitInput {\n  count: Int\n}\n`,
      strictThing,
    ),
    ['schema/thing.graphql:8:1: LimitInput lacks text, which thing.v1.Limit requires', '    Add the field, non-null.'],
  );
});

describe('keys', () => {
  mistake(
    'matched through many',
    things(
      `${query}type Thing @lookup(rpc: "Find", keys: "ids", items: "things", match: "refs.id") {\n  ref: JSON\n}\n`,
    ),
    [
      'schema/thing.graphql:5:12: match: refs.id goes through refs, which is not one message',
      '    Results are matched by single values.',
    ],
  );
  mistake(
    'that are messages',
    things(`${query}type Thing @lookup(rpc: "Look", key: "ref") {\n  other: Thing @join(key: "ref")\n}\n`),
    [
      'schema/thing.graphql:6:16: key: thing.v1.Thing.ref is thing.v1.Ref, a message',
      '    Name the fields of it that make up the key, such as "ref.id".',
    ],
  );
});
