import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Field, Type, type Root } from 'protobufjs';
import { FileDescriptorSet } from 'protobufjs/ext/descriptor';
import { printSchema } from 'graphql';
import { type SchemaError } from '../../src/diagnostics/findings';
import { ProtoError } from '../../src/proto/proto-error';
import { findService, loadProtos, protosOf, rpcOf } from '../../src/proto/protos';
import { loadSchema } from '../schema-fixture';
import { loadSources } from '../../src/schema/sources';
import { descriptorSetOf } from './descriptor-set';

/** Descriptor sets take a while where the machine is busy with other tests. */
jest.setTimeout(30_000);

const temporary = mkdtempSync(join(tmpdir(), 'protos-'));
afterAll(() => rmSync(temporary, { recursive: true }));

/** Writes a folder of its own with these files. */
function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(temporary, 'folder-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** What loading fails with: its message, with the names of folders in place of their paths. */
function failure(load: () => unknown, folders: Readonly<Record<string, string>>): string {
  try {
    load();
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    const names = Object.entries(folders);
    return names.reduce((message, [name, path]) => message.replaceAll(path, name), error.message);
  }
  throw new Error('it did not fail');
}

function proto(text: string, syntax = 'proto3'): string {
  return `syntax = "${syntax}";\n${text}`;
}

function fieldOf(root: Root, message: string, name: string): Field {
  return root.lookupType(message).fields[name]!;
}

describe('imports', () => {
  test('come from the folder, then from each of PROTO_INCLUDE in turn, then from protobuf itself', () => {
    const protos = folderWith({
      'a.proto': proto(`
        import "here.proto"; import "dir/both.proto"; import "second.proto"; import "google/protobuf/timestamp.proto";
        message A { Here here = 1; Both both = 2; Second second = 3; google.protobuf.Timestamp time = 4; }`),
      'here.proto': proto('message Here { string folder = 1; }'),
    });
    const first = folderWith({
      'here.proto': proto('message Here { string first = 1; }'),
      'dir/both.proto': proto('message Both { string first = 1; }'),
    });
    const second = folderWith({
      'dir/both.proto': proto('message Both { string second = 1; }'),
      'second.proto': proto('message Second { string second = 1; }'),
    });
    const root = loadProtos(protos, [first, second]);
    expect(root.lookupType('Here').fields).toHaveProperty('folder');
    expect(root.lookupType('Both').fields).toHaveProperty('first');
    expect(root.lookupType('Second').fields).toHaveProperty('second');
    expect(fieldOf(root, 'A', 'time').resolvedType?.fullName).toBe('.google.protobuf.Timestamp');
  });

  test('are all that is read of PROTO_INCLUDE', () => {
    const protos = folderWith({ 'a.proto': proto('import "b.proto";') });
    const include = folderWith({
      'b.proto': proto('import "c.proto"; message B {}'),
      'c.proto': proto('message C {}'),
      'd.proto': 'not a proto at all',
      'e.pb': 'nor a descriptor set',
    });
    expect(loadProtos(protos, [include]).files).toEqual(['a.proto', 'b.proto', 'c.proto']);
  });

  test('may go round in a circle, and be public', () => {
    const protos = folderWith({
      'a.proto': proto('import "b.proto"; message A { B b = 1; C c = 2; }'),
      'b.proto': proto('import public "c.proto"; message B { C c = 1; }'),
      'c.proto': proto('import "a.proto"; message C { A a = 1; }'),
    });
    expect(loadProtos(protos).lookupType('C').fields['a']?.resolvedType?.fullName).toBe('.A');
  });

  test('of what protobuf and google.api.http bring along need nothing else', () => {
    const protos = folderWith({
      'a.proto': proto(`
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/type.proto";
        import "google/api/annotations.proto";
        message A { google.protobuf.Value value = 1; }
        service S { rpc Get(A) returns (A) { option (google.api.http).get = "/a"; } }`),
    });
    const root = loadProtos(protos);
    // Names as in struct.proto, not as in JavaScript.
    const value = root.lookupType('google.protobuf.Value');
    expect(Object.keys(value.fields)).toEqual([
      'null_value',
      'number_value',
      'string_value',
      'bool_value',
      'struct_value',
      'list_value',
    ]);
    expect(value.oneofs['kind']?.oneof).toEqual(Object.keys(value.fields));
    expect(root.lookupType('google.protobuf.Type').fields).toHaveProperty('source_context');
  });

  describe('that are nowhere', () => {
    test('are told with the file that wants them, and every place that was looked in', () => {
      const protos = folderWith({ 'sub/a.proto': proto('\n// b.proto\nimport "dir/b.proto";') });
      const [first, second] = [folderWith({}), folderWith({})];
      expect(failure(() => loadProtos(protos, [first, second]), { PROTOS: protos, FIRST: first, SECOND: second })).toBe(
        `PROTOS/sub/a.proto:4: imports "dir/b.proto", which is not in PROTOS, nor in FIRST, nor in SECOND, nor in the files that come with protobuf
    Set PROTO_INCLUDE to the folder that has "dir/b.proto".`,
      );
    });

    test.each(['google/type/date.proto', 'google/rpc/status.proto', 'google/api/field_behavior.proto'])(
      '%s',
      (name) => {
        const protos = folderWith({ 'a.proto': proto(`import '${name}';`) });
        expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe(
          `PROTOS/a.proto:2: imports "${name}", which is not in PROTOS, nor in the files that come with protobuf
    Set PROTO_INCLUDE to a folder that has google/api, google/rpc and google/type, such as a copy of github.com/googleapis/googleapis.`,
        );
      },
    );

    test('are told where they are, if they are below the folder', () => {
      const protos = folderWith({
        'a.proto': proto('import "google/type/date.proto";'),
        'vendor/api/google/type/date.proto': proto('package google.type; message Date {}'),
      });
      expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe(
        `PROTOS/a.proto:2: imports "google/type/date.proto", which is not in PROTOS, nor in the files that come with protobuf
    Set PROTO_INCLUDE to PROTOS/vendor/api: there it is.`,
      );
      expect(loadProtos(protos, [join(protos, 'vendor/api')]).files).toEqual(['a.proto', 'google/type/date.proto']);
    });

    test('are findings with a line', () => {
      const protoDir = folderWith({ 'a.proto': proto('import "b.proto";') });
      const schemaDir = folderWith({ 'a.graphql': 'type Query { a: Int }' });
      let caught: unknown;
      try {
        loadSources({ schemaDir, protoDir, protoInclude: [schemaDir] });
      } catch (error) {
        caught = error;
      }
      expect((caught as SchemaError).findings).toEqual([
        {
          file: join(protoDir, 'a.proto'),
          line: 2,
          column: 0,
          message: expect.stringContaining('imports "b.proto"'),
          fix: expect.stringContaining('PROTO_INCLUDE'),
        },
      ]);
    });
  });

  test.each(['../b.proto', '/b.proto', './b.proto', 'dir//b.proto', 'dir\\\\b.proto'])('cannot be %s', (path) => {
    const protos = folderWith({ 'sub/a.proto': proto(`import "${path}";`), 'b.proto': proto('message B {}') });
    expect(failure(() => loadProtos(protos), { PROTOS: protos })).toMatch(
      /^PROTOS\/sub\/a\.proto.*no path from a folder/,
    );
  });

  test('need their folders', () => {
    const protos = folderWith({});
    const nowhere = join(protos, 'nowhere');
    expect(failure(() => loadProtos(protos, [nowhere]), { NOWHERE: nowhere })).toBe('NOWHERE: there is no such folder');
    expect(failure(() => loadProtos(nowhere), { NOWHERE: nowhere })).toBe('NOWHERE: there is no such folder');
  });
});

describe('a file under two names is one file', () => {
  const include = folderWith({
    'acme/v1/a.proto': proto('package acme.v1; import "acme/v1/b.proto"; message A { B b = 1; }'),
    'acme/v1/b.proto': proto('package acme.v1; message B {}'),
  });

  test('where it is a link', () => {
    const protos = folderWith({});
    for (const name of ['a.proto', 'b.proto']) symlinkSync(join(include, 'acme/v1', name), join(protos, name));
    expect(loadProtos(protos, [include]).files).toEqual(['a.proto', 'acme/v1/b.proto']);
  });

  test('where PROTO_DIR is in PROTO_INCLUDE', () => {
    expect(loadProtos(join(include, 'acme/v1'), [include]).files).toEqual(['a.proto', 'acme/v1/b.proto']);
  });

  test('where it is a copy', () => {
    const protos = folderWith({
      'a.proto': proto('package acme.v1; import "acme/v1/b.proto"; message A { B b = 1; }'),
      'b.proto': proto('package acme.v1; message B {}'),
    });
    expect(loadProtos(protos, [include]).files).toEqual(['a.proto', 'acme/v1/b.proto']);
  });

  test('where a folder is a link, even to one that it is in', () => {
    const protos = folderWith({ 'sub/a.proto': proto('message A {}') });
    symlinkSync('..', join(protos, 'sub/up'));
    symlinkSync('sub', join(protos, 'twin'));
    symlinkSync('loop', join(protos, 'loop'));
    symlinkSync(include, join(protos, 'vendor'));
    // Linked in whole, it is no place to look imports up in.
    expect(loadProtos(protos, [include]).files).toEqual(['sub/a.proto', 'vendor/acme/v1/a.proto', 'acme/v1/b.proto']);
  });

  test('in a volume that Kubernetes makes of a ConfigMap', () => {
    const volume = folderWith({ '..2026_11_23/a.proto': proto('message A {}') });
    symlinkSync('..2026_11_23', join(volume, '..data'));
    symlinkSync('..data/a.proto', join(volume, 'a.proto'));
    expect(loadProtos(volume).files).toEqual(['a.proto']);
  });
});

test('a link that leads nowhere is told', () => {
  const protos = folderWith({});
  symlinkSync('nowhere', join(protos, 'a.proto'));
  expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe('PROTOS/a.proto: it cannot be read (ENOENT)');
});

describe('what is defined twice', () => {
  test.each(['message X {}', 'enum X { Y = 0; }', 'message A {} service X { rpc Do(A) returns (A); }'])(
    'in two files: %s',
    (text) => {
      const protos = folderWith({
        'a.proto': proto(`package p.q; ${text}`),
        'b.proto': proto('package p.q; message X {} // again'),
      });
      expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe(
        `PROTOS/b.proto: p.q.X is defined in PROTOS/a.proto too
    Remove one of the two. A file that others import must be where they look for it, by the same path.`,
      );
    },
  );

  test('in one file, and without a package', () => {
    const once = folderWith({ 'a.proto': proto('message A {} message A {}') });
    expect(failure(() => loadProtos(once), { PROTOS: once })).toBe('PROTOS/a.proto: A is defined twice');
    const nested = folderWith({ 'a.proto': proto('package p; message A { string b = 1; message b {} }') });
    expect(failure(() => loadProtos(nested), { PROTOS: nested })).toBe('PROTOS/a.proto: A.b is defined twice');
  });

  test('by a folder of vendored protos that imports are not looked up in', () => {
    const protos = folderWith({
      'a.proto': proto('import "google/protobuf/empty.proto"; message A {}'),
      'vendor/google/protobuf/empty.proto': proto('package google.protobuf; message Empty {}'),
    });
    expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe(
      `PROTOS/vendor/google/protobuf/empty.proto: google.protobuf.Empty is defined in google/protobuf/empty.proto of protobuf too
    Set PROTO_INCLUDE to PROTOS/vendor, if they are the same: then both names are of one file.`,
    );
    expect(loadProtos(protos, [join(protos, 'vendor')]).files).toEqual(['a.proto', 'google/protobuf/empty.proto']);
  });
});

describe('text', () => {
  test('that is no proto is told with its line, comments or not', () => {
    const protos = folderWith({ 'a.proto': proto('// one\n// two\n/* three\n   four */\nmessage A {\n  what\n}') });
    expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe("PROTOS/a.proto:8: illegal name '}'");
  });

  test('that refers to what is nowhere is told', () => {
    const protos = folderWith({ 'a.proto': proto('package p;\nmessage A { Other other = 1; }') });
    expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe(
      `PROTOS/a.proto:3: p.A.other refers to "Other", which no file defines that is read
    Import the file that defines it.`,
    );
  });

  test('of an edition that is not known is told', () => {
    const protos = folderWith({ 'a.proto': 'edition = "2027";' });
    expect(failure(() => loadProtos(protos), { PROTOS: protos })).toBe("PROTOS/a.proto:1: illegal edition '2027'");
  });

  test('of edition 2024 is read', () => {
    const protos = folderWith({
      'a.proto': `edition = "2024";
        package p;
        import option "not/there/options.proto";
        export message A {
          string explicit = 1;
          string implicit = 2 [features.field_presence = IMPLICIT];
          B delimited = 3 [features.message_encoding = DELIMITED];
          local message B { reserved old; string text = 1; }
          local enum E { E_UNSPECIFIED = 0; }
        }`,
    });
    const { explicit, implicit, delimited } = loadProtos(protos).lookupType('p.A').fields;
    expect([explicit?.hasPresence, implicit?.hasPresence, delimited?.delimited]).toEqual([true, false, true]);
  });

  test('may have empty statements, and option values of any kind', () => {
    const root = loadProtos(
      folderWith({
        'a.proto': proto(
          `;; package p; import "google/api/annotations.proto"; import "rules.proto";
          message A {
            ;
            option (rules) = { list: [ { name: "}{" }, { name: 'b' } ], [p.more] : 1, nested < name: "x" >, empty: [], name: "end" };
            string a = 1 [(rule) = { list: [{}, {}], name: "ok" "ay" name: "b" }, deprecated = true];;
          };
          service S {
            ;
            rpc Do(A) returns (A) {
              option (google.api.http) = {
                post: "/a" // "quoted
                body: "*",
                additional_bindings: [ { put: "/b" }, { patch: "/c" } ];
              };;
            };
          }`,
        ),
        'rules.proto': proto(`
          package p; import "google/protobuf/descriptor.proto";
          message Rules { repeated Rules list = 1; string name = 2; Rules nested = 3; repeated string empty = 4; }
          extend google.protobuf.MessageOptions { Rules rules = 50001; }
          extend google.protobuf.FieldOptions { Rules rule = 50002; }`),
      }),
    );
    expect(root.lookupType('p.A').options).toEqual({
      '(p.rules).list.name': 'b',
      '(p.rules).[p.more]': 1,
      '(p.rules).nested.name': 'x',
      '(p.rules).name': 'end',
    });
    expect(fieldOf(root, 'p.A', 'a').options).toEqual({ '(p.rule).name': 'b', deprecated: true });
    expect(findService(root, 'p.S')?.methods['Do']?.options).toEqual({
      '(google.api.http).post': '/a',
      '(google.api.http).body': '*',
      '(google.api.http).additional_bindings.put': '/b',
      '(google.api.http).additional_bindings.patch': '/c',
    });
  });

  test('gives comments to what they are about, also across lines', () => {
    const root = loadProtos(
      folderWith({
        'a.proto': proto(`
          // The message.
          message A {
            // *First*:
            //   * one
            //   * two
            map<string,
                string>
                first =
                    1; // behind
            string second = 2; // only behind

            // Apart.

            string third = 3;
            /* A block
             * of two. */
            string fourth = 4 [
              deprecated = true
            ];
          }`),
      }),
    );
    const { comment, fields } = root.lookupType('A');
    expect(comment).toBe('The message.');
    expect(Object.values(fields).map((field) => field.comment ?? null)).toEqual([
      '*First*:\n* one\n* two',
      'only behind',
      null,
      'A block\nof two.',
    ]);
  });
});

describe('references mean what the language says', () => {
  test('the innermost, looking outwards, never into the messages beside', () => {
    const root = loadProtos(
      folderWith({
        'a.proto': proto(`
          package p.q;
          message Outer {
            message Inner { message Status {} enum Kind { KIND = 0; } Status own = 1; Inner.Kind kind = 2; }
            Status outside = 1;
            Inner.Status inside = 2;
            .p.q.Outer.Inner.Status absolute = 3;
            q.Status partly = 4;
            map<string, Status> map = 5;
            oneof one { Status chosen = 6; }
          }
          message Status {}
          service Statuses { rpc Get(Status) returns (stream Outer.Inner.Status); }`),
        'b.proto': proto('package p; message Status {} message Kind {}'),
      }),
    );
    const types = Object.fromEntries(root.lookupType('p.q.Outer').fieldsArray.map(({ name, type }) => [name, type]));
    expect(types).toEqual({
      outside: 'p.q.Status',
      inside: 'p.q.Outer.Inner.Status',
      absolute: 'p.q.Outer.Inner.Status',
      partly: 'p.q.Status',
      map: 'p.q.Status',
      chosen: 'p.q.Status',
    });
    expect(fieldOf(root, 'p.q.Outer.Inner', 'own').type).toBe('p.q.Outer.Inner.Status');
    const { requestType, responseType } = findService(root, 'p.q.Statuses')!.methods['Get']!;
    expect([requestType, responseType]).toEqual(['p.q.Status', 'p.q.Outer.Inner.Status']);
  });

  test('options of extensions are called by their full names', () => {
    const root = loadProtos(
      folderWith({
        'a.proto': proto(`
          package google.api.books; import "google/api/annotations.proto";
          message A {}
          service S { rpc Get(A) returns (A) { option (http).get = "/a"; } rpc Put(A) returns (A) { option (.google.api.http) = { put: "/b" }; } }`),
      }),
    );
    const { Get, Put } = findService(root, 'google.api.books.S')!.methods;
    expect(Get?.options).toEqual({ '(google.api.http).get': '/a' });
    expect(Put?.parsedOptions).toEqual([{ '(google.api.http)': { put: '/b' } }]);
  });
});

/** Everything that a proto can say which matters here. */
const everything = {
  'sink/v1/everything.proto': proto(`
    package sink.v1;
    import "google/api/annotations.proto";
    import "google/protobuf/timestamp.proto";
    import "sink/v1/legacy.proto";

    // Every type of field.
    message Everything {
      double a_double = 1;
      float a_float = 2;
      int32 an_int32 = 3;
      int64 an_int64 = 4;
      uint32 a_uint32 = 5;
      uint64 a_uint64 = 6;
      sint32 a_sint32 = 7;
      sint64 a_sint64 = 8;
      fixed32 a_fixed32 = 9;
      fixed64 a_fixed64 = 10;
      sfixed32 an_sfixed32 = 11;
      sfixed64 an_sfixed64 = 12;
      bool a_bool = 13;
      string a_string = 14;
      bytes some_bytes = 15;
      Color color = 16;
      Everything itself = 17;
      google.protobuf.Timestamp time = 18;
      // Told from its default.
      optional int32 optional_int = 19;
      optional Nested optional_nested = 20;
      repeated int32 packed = 21;
      repeated int32 unpacked = 22 [packed = false];
      repeated Nested nested_list = 23;
      map<string, string> labels = 24;
      map<int64, Nested> by_number = 25;
      map<bool, Color> by_bool = 26;
      oneof choice {
        string text = 27;
        Nested nested = 28;
        Color chosen_color = 29;
      }
      string renamed = 30 [json_name = "calledSo"];
      string odd__name_ = 31 [json_name = "oddName"];
      string same_name = 32 [json_name = "sameName", deprecated = true];
      Legacy legacy = 33;

      // Inside.
      message Nested {
        string value = 1; // what it holds
        enum Deep { DEEP_UNSPECIFIED = 0; DEEP_ONE = 1; }
        Deep deep = 2;
      }
    }

    // Colors.
    enum Color {
      option allow_alias = true;
      // None.
      COLOR_UNSPECIFIED = 0;
      COLOR_RED = 1;
      COLOR_CRIMSON = 1;
      COLOR_NEGATIVE = -1;
    }

    // Does things.
    service Things {
      option deprecated = true;
      // Gets it.
      rpc Get(Everything) returns (Everything) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (google.api.http) = {
          get: "/v1/{a_string}"
          additional_bindings { get: "/v1/other/{a_string}" }
          additional_bindings { post: "/v1/third" body: "*" }
        };
      }
      rpc Watch(Everything) returns (stream Everything.Nested) { option idempotency_level = IDEMPOTENT; }
      rpc Upload(stream Legacy) returns (Everything) {}
      rpc Chat(stream Legacy) returns (stream Legacy);
    }`),
  'sink/v1/legacy.proto': proto(
    `
    package sink.v1;
    message Legacy {
      required string needed = 1;
      optional int32 number = 2 [default = -7];
      optional double real = 3 [default = 1.5];
      optional double endless = 4 [default = -inf];
      optional bool flag = 5 [default = true];
      optional string text = 6 [default = "12 x"];
      optional Size size = 7 [default = LARGE];
      repeated int32 unpacked = 8;
      repeated int32 packed = 9 [packed = true];
      optional group MyGroup = 10 { optional string inner = 1; }
      extensions 100 to 199;
      enum Size { SMALL = 1; LARGE = 2; }
    }
    extend Legacy { optional string extra = 100; repeated Legacy.Size sizes = 101; }`,
    'proto2',
  ),
  'sink/v1/modern.proto': `edition = "2023";
    package sink.v1;
    option features.field_presence = IMPLICIT;
    message Modern {
      string implicit = 1;
      string explicit = 2 [features.field_presence = EXPLICIT];
      string required = 3 [features.field_presence = LEGACY_REQUIRED];
      repeated int32 expanded = 4 [features.repeated_field_encoding = EXPANDED];
      Modern delimited = 5 [features.message_encoding = DELIMITED];
      Closed closed = 6 [features.field_presence = EXPLICIT];
      enum Closed { option features.enum_type = CLOSED; ONE = 1; }
    }`,
};
const syntax = {
  'sink/v1/legacy.proto': 'proto2',
  'sink/v1/modern.proto': '2023',
  'google/protobuf/descriptor.proto': 'proto2',
};

const features = { 'sink/v1/modern.proto': { field_presence: 'IMPLICIT' } };

describe('a descriptor set', () => {
  const protos = folderWith(everything);
  const fromFiles = loadProtos(protos);
  const set = descriptorSetOf(fromFiles, { syntax, features });

  test.each(['binpb', 'pb', 'desc', 'protoset', 'fds'])('is what ends in .%s', (extension) => {
    const root = loadProtos(folderWith({ [`below/all.${extension}`]: set }));
    expect(contents(root)).toEqual(contents(fromFiles));
  });

  test('says what the files say', () => {
    const fromSet = loadProtos(folderWith({ 'all.binpb': set }));
    expect(contents(fromSet)).toEqual(contents(fromFiles));
    const legacy = fromSet.lookupType('sink.v1.Legacy');
    expect(legacy.fields['mygroup']?.delimited).toBe(true);
    expect(legacy.fields['endless']?.defaultValue).toBe(-Infinity);
    expect(legacy.fields['size']?.defaultValue).toBe(2);
    expect(legacy.fields['.sink.v1.extra']?.type).toBe('string');
    const color = fromSet.lookupEnum('sink.v1.Color');
    expect(color.valuesById[1]).toBe('COLOR_RED');
    const { labels, optional_int: optionalInt, renamed } = fromSet.lookupType('sink.v1.Everything').fields;
    expect([labels?.map, Boolean(optionalInt?.hasPresence)]).toEqual([true, true]);
    expect(renamed?.getOption('json_name')).toBe('calledSo');
  });

  test('writes the same bytes, and reads them', () => {
    const fromSet = loadProtos(folderWith({ 'all.binpb': set }));
    const message = {
      an_int64: 5,
      optional_int: 0,
      packed: [1, 2],
      unpacked: [3, 4],
      labels: { a: 'b' },
      by_bool: { true: -1 },
      nested: { value: 'x', deep: 1 },
      legacy: { needed: 'n', mygroup: { inner: 'i' }, packed: [1], unpacked: [2], '.sink.v1.extra': 'e' },
    };
    const modern = { implicit: 'a', required: 'r', expanded: [1, 2], delimited: { required: 's' }, closed: 1 };
    const [files, described] = [fromFiles, fromSet].map((root) => {
      const rpc = rpcOf(findService(root, 'sink.v1.Things')!.methods['Get']!);
      const type = root.lookupType('sink.v1.Modern');
      const [bytes, modernBytes] = [rpc.encode(message), Buffer.from(type.encode(modern).finish())];
      expect(rpc.decode(bytes)).toMatchObject({ legacy: { mygroup: { inner: 'i' } } });
      expect(type.decode(modernBytes)).toMatchObject(modern);
      return Buffer.concat([bytes, modernBytes]).toString('hex');
    });
    expect(described).toBe(files);
  });

  test('makes the same schema as its files', () => {
    const schemaDir = folderWith({
      'things.graphql': `
        extend schema @upstream(name: "things", service: "sink.v1.Things")
        type Query { get(aString: String!): Everything @public @grpc(rpc: "Get") }
        type Mutation { write(input: EverythingInput!): Everything @public @grpc(rpc: "Get") }
        type Subscription { watch(aString: String!): Nested @public @grpc(rpc: "Watch") }
        input EverythingInput { calledSo: String, labels: JSON, text: String, nested: NestedInput }
        input NestedInput { value: String, deep: Deep }
        type Everything { anInt64: BigInt!, aUint32: Int!, color: Color, optionalInt: Int, labels: JSON!, calledSo: String!, choice: Choice, legacy: Legacy, time: DateTime }
        union Choice = Text | Nested | ChosenColor
        type Text @proto(field: "text") { text: String }
        type ChosenColor @proto(field: "chosenColor") { chosenColor: Color }
        type Nested { value: String!, deep: Deep }
        type Legacy { needed: String!, number: Int, mygroup: MyGroup }
        type MyGroup { inner: String }
        enum Deep { ONE }
        enum Color { RED CRIMSON NEGATIVE }`,
    });
    const upstream = (): never => {
      throw new Error('nothing is called');
    };
    const [files, described] = [protos, folderWith({ 'all.pb': set })].map((protoDir) => {
      const sources = loadSources({ schemaDir, protoDir });
      const { schema, fields } = loadSchema({ sources, upstream });
      return { schema: printSchema(schema), fields };
    });
    expect(files?.schema).toContain('type Everything');
    expect(described).toEqual(files);
  });

  test('that is none is told', () => {
    for (const content of ['', 'syntax = "proto3";', Buffer.from([0x0a, 0x02, 0x12, 0x00])]) {
      const folder = folderWith({ 'a.pb': content });
      expect(failure(() => loadProtos(folder), { PROTOS: folder })).toBe(
        `PROTOS/a.pb: this is not a descriptor set
    Write it with buf build -o FILE.binpb, or protoc --include_imports -o FILE.pb.`,
      );
    }
  });

  test('without its imports takes them from PROTO_INCLUDE, or says what it lacks', () => {
    const folder = folderWith({
      'all.pb': descriptorSetOf(fromFiles, { syntax, features, without: ['sink/v1/legacy.proto'] }),
    });
    expect(contents(loadProtos(folder, [protos]))).toEqual(contents(fromFiles));
    expect(failure(() => loadProtos(folder), { PROTOS: folder })).toBe(
      `PROTOS/all.pb: sink/v1/everything.proto: imports "sink/v1/legacy.proto", which is not in PROTOS, nor in the files that come with protobuf
    Write the set with its imports, as buf build and protoc --include_imports do, or set PROTO_INCLUDE.`,
    );
  });

  test('is where imports are looked up, and gives way to a file of the same name', () => {
    const folder = folderWith({
      'all.pb': set,
      'a.proto': proto('import "sink/v1/modern.proto"; message A { sink.v1.Modern modern = 1; }'),
      'sink/v1/modern.proto': proto('package sink.v1; message Modern { string newer = 1; }'),
    });
    const include = folderWith({ 'sink/v1/everything.proto': 'not read' });
    const root = loadProtos(folder, [include]);
    expect(root.lookupType('sink.v1.Modern').fields).toHaveProperty('newer');
    expect(root.lookupType('sink.v1.Everything').fields).toHaveProperty('labels');
  });

  test('may be there twice, but not in two versions', () => {
    const other = proto('package o; message O { string a = 1; }');
    const [first, second] = [other, other.replace('a = 1', 'b = 1')].map((text) =>
      descriptorSetOf(loadProtos(folderWith({ 'o.proto': text }))),
    );
    expect(loadProtos(folderWith({ 'a.pb': first!, 'b.pb': first! })).files).toEqual(['o.proto']);
    const folder = folderWith({ 'a.pb': first!, 'b.pb': second! });
    expect(failure(() => loadProtos(folder), { PROTOS: folder })).toBe(
      `PROTOS/b.pb: o.proto is not what it is in PROTOS/a.pb
    Write both again from the same files, or remove one.`,
    );
    const elsewhere = folderWith({ 'a.pb': first!, 'p.proto': other });
    expect(failure(() => loadProtos(elsewhere), { PROTOS: elsewhere })).toBe(
      `PROTOS/a.pb: o.proto: o.O is defined in PROTOS/p.proto too
    Remove one of the two. A file that others import must be where they look for it, by the same path.`,
    );
  });

  test('may come in pieces, as from reflection', () => {
    const type = fromFiles.lookupType('google.protobuf.FileDescriptorSet');
    const { file } = type.decode(set) as unknown as { file: Record<string, unknown>[] };
    const fileType = fromFiles.lookupType('google.protobuf.FileDescriptorProto');
    const pieces = file.map((each) => fileType.encode(each).finish()).toReversed();
    expect(contents(protosOf(pieces, 'localhost:50051'))).toEqual(contents(fromFiles));
  });

  test('leaves out what is called __proto__, as text does', () => {
    const text = proto('package p; message A { string __proto__ = 1; string b = 2; } message __proto__ {}');
    const named = [{ name: '__proto__' }];
    const string = { type: 9, label: 1 };
    const bytes = FileDescriptorSet.encode({
      file: [
        {
          name: 'a.proto',
          package: 'p',
          syntax: 'proto3',
          messageType: [
            {
              name: 'A',
              field: [
                { name: '__proto__', number: 1, ...string },
                { name: 'b', number: 2, ...string },
              ],
              oneofDecl: named,
              nestedType: named,
              enumType: named,
              extension: [{ name: '__proto__', number: 3, extendee: '.p.A', ...string }],
            },
            { name: '__proto__' },
          ],
          service: [{ name: 'S', method: [{ name: '__proto__', inputType: '.p.A', outputType: '.p.A' }] }],
        },
      ],
    }).finish();
    for (const root of [loadProtos(folderWith({ 'a.proto': text })), loadProtos(folderWith({ 'a.pb': bytes }))]) {
      expect(Object.keys(root.lookupType('p.A').fields)).toEqual(['b']);
    }
    expect({}).not.toHaveProperty('filename');
  });

  test('of an edition that is not known is told', () => {
    const folder = folderWith({
      'a.pb': descriptorSetOf(fromFiles, { syntax: { ...syntax, 'sink/v1/modern.proto': '99999_TEST_ONLY' } }),
    });
    expect(failure(() => loadProtos(folder), { PROTOS: folder })).toBe(
      'PROTOS/a.pb: sink/v1/modern.proto is of an edition that is not known here',
    );
  });
});

/** Everything that a root says, comments included; but for what files say of themselves, such as java_package. */
function contents(root: Root): unknown {
  const strip = (json: unknown, isPackage: boolean): unknown => {
    if (Array.isArray(json)) return json.map((each) => strip(each, false));
    if (typeof json !== 'object' || json === null) return json ?? null;
    const entries = Object.entries(json).filter(([name]) => name !== 'extensions' && name !== 'reserved');
    const isNamespace = isPackage && !('fields' in json || 'values' in json || 'methods' in json);
    return Object.fromEntries(
      entries
        .filter(([name, value]) => value !== null && !(isNamespace && name === 'options'))
        .map(([name, value]) => [name, strip(value, isPackage || name === 'nested')]),
    );
  };
  const orders = typesOf(root).map((type) => [type.fullName, type.fieldsArray.map(({ name }) => name)]);
  return [strip(root.toJSON({ keepComments: true }), true), Object.fromEntries(orders)];
}

function typesOf(namespace: { readonly nestedArray: readonly unknown[] }): Type[] {
  return namespace.nestedArray.flatMap((each) => [
    ...(each instanceof Type ? [each] : []),
    ...(each && typeof each === 'object' && 'nestedArray' in each ? typesOf(each as Type) : []),
  ]);
}
