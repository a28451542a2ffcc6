/** For any message: SDL that keeps all of it, the selection that reads all of it, and random messages to read. */
import fc from 'fast-check';
import { Enum, MapField, Type, type Field, type Service } from 'protobufjs';
import { anyText } from '../../any-text';

/** How deep messages that contain themselves are made and read. */
const maxDepth = 3;

const scalars: Readonly<Record<string, string>> = {
  double: 'Float',
  float: 'Float',
  int32: 'Int',
  sint32: 'Int',
  sfixed32: 'Int',
  // Int has no room for all of them.
  uint32: 'Float',
  fixed32: 'Float',
  int64: 'BigInt',
  sint64: 'BigInt',
  sfixed64: 'BigInt',
  uint64: 'BigInt',
  fixed64: 'BigInt',
  bool: 'Boolean',
  string: 'String',
  bytes: 'String',
};

const wellKnown: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'DateTime',
  'google.protobuf.Duration': 'Duration',
  'google.protobuf.Struct': 'JSON',
  'google.protobuf.Value': 'JSON',
  'google.protobuf.ListValue': 'JSON',
  'google.protobuf.Any': 'JSON',
  'google.protobuf.Empty': 'Boolean',
  'google.protobuf.FieldMask': '[String!]',
  'google.protobuf.DoubleValue': 'Float',
  'google.protobuf.FloatValue': 'Float',
  'google.protobuf.Int32Value': 'Int',
  'google.protobuf.UInt32Value': 'Float',
  'google.protobuf.Int64Value': 'BigInt',
  'google.protobuf.UInt64Value': 'BigInt',
  'google.protobuf.BoolValue': 'Boolean',
  'google.protobuf.StringValue': 'String',
  'google.protobuf.BytesValue': 'String',
};

const nameOf = (object: { readonly fullName: string }): string => object.fullName.slice(1);
const graphqlName = (object: { readonly fullName: string }): string => nameOf(object).replaceAll('.', '_');
const isMap = (field: Field): field is Field & MapField => (field as unknown) instanceof MapField;
const entryName = (field: Field): string => `${graphqlName(field.parent as Type)}_${field.name}_Entry`;

/** The fields of a message but its extensions. */
function fieldsOf(type: Type): Field[] {
  return type.fieldsArray.filter((field) => !field.declaringField);
}

/** The type of one value of a field; undefined where it is a message with fields of its own. */
function leafOf({ resolvedType, type }: Field): string | undefined {
  if (resolvedType instanceof Enum) return graphqlName(resolvedType);
  if (!(resolvedType instanceof Type)) return scalars[type];
  return wellKnown[nameOf(resolvedType)] ?? (resolvedType.fieldsArray.length === 0 ? 'Boolean' : undefined);
}

function typeOf(field: Field, suffix: '' | 'Input'): string {
  if (isMap(field)) return `[${entryName(field)}${suffix}!]`;
  const { resolvedType } = field;
  const one = leafOf(field) ?? `${graphqlName(resolvedType as Type)}${suffix}`;
  // A list of masks has them as text.
  if (!field.repeated) return one;
  // What is null in JSON is null in a list, too.
  return one === 'JSON' ? '[JSON]' : `[${one.replace('[String!]', 'String')}!]`;
}

/** SDL with a query for each RPC that answers what it is asked, its messages whole, as types and as inputs. */
export function naturalSdl(services: readonly Service[]): string {
  const seen = new Set<Type | Enum>();
  const parts: string[] = [];
  const add = (found: Type | Enum): void => {
    if (seen.has(found)) return;
    seen.add(found);
    if (found instanceof Enum) {
      const values = new Map(
        Object.entries(found.values)
          .map(([value, number]) => [number, value] as const)
          .toReversed(),
      );
      parts.push(
        `enum ${graphqlName(found)} {\n${[...values.values()].map((value) => `  ${value} @proto(field: "${value}")`).join('\n')}\n}`,
      );
      return;
    }
    const own = fieldsOf(found);
    for (const suffix of ['', 'Input'] as const) {
      const fields = own.map(
        (field) => `  ${gqlField(field)}: ${typeOf(field, suffix)} @proto(field: "${field.name}")`,
      );
      parts.push(`${suffix === '' ? 'type' : 'input'} ${graphqlName(found)}${suffix} {\n${fields.join('\n')}\n}`);
      for (const field of own.filter(isMap)) {
        const value = leafOf(field) ?? `${graphqlName(field.resolvedType as Type)}${suffix}`;
        parts.push(
          `${suffix === '' ? 'type' : 'input'} ${entryName(field)}${suffix} { key: ${scalars[field.keyType]} value: ${value} }`,
        );
      }
    }
    for (const field of own) {
      const { resolvedType } = field.resolve();
      const isOwn = resolvedType instanceof Enum || leafOf(field) === undefined;
      if (isOwn && resolvedType) add(resolvedType);
    }
  };
  const uses = services.map((service) => `@upstream(name: "lab", service: "${nameOf(service)}")`);
  const queries = echoes(services).map(({ rpc, name, type }) => {
    add(type);
    return `  ${name}(input: ${graphqlName(type)}Input): ${graphqlName(type)} @public @grpc(rpc: "${rpc}")`;
  });
  return [`extend schema ${uses.join(' ')}`, `type Query {\n${queries.join('\n')}\n}`, ...parts].join('\n\n');
}

/** GraphQL has no names that begin with two underscores. */
function gqlField({ name }: Field): string {
  return name.startsWith('__') ? `field${name}` : name;
}

export interface EchoRpc {
  /** `package.Service/Method`. */
  readonly rpc: string;
  /** Of its field in the SDL. */
  readonly name: string;
  /** What it takes, and answers. */
  readonly type: Type;
}

/** The RPCs that answer with the message that they take. */
export function echoes(services: readonly Service[]): EchoRpc[] {
  return services.flatMap((service) =>
    service.methodsArray.flatMap((method) => {
      const { resolvedRequestType: type, resolvedResponseType: answer } = method.resolve() as typeof method & {
        resolvedRequestType: Type;
      };
      if (type !== answer || method.responseStream || type.fieldsArray.length === 0) return [];
      return [{ rpc: `${nameOf(service)}/${method.name}`, name: `${service.name}_${method.name}`, type }];
    }),
  );
}

/** Selects everything of a message, as deep as messages are made. */
export function selectionOf(type: Type, depth = 0): string {
  const fields = fieldsOf(type).flatMap((field) => {
    const { resolvedType } = field.resolve();
    const isObject = leafOf(field) === undefined;
    if (isObject && depth >= maxDepth) return [];
    const inner = isObject ? selectionOf(resolvedType as Type, depth + 1) : '';
    if (isMap(field)) return [`${gqlField(field)} { key value ${inner} }`];
    return [`${gqlField(field)} ${inner}`];
  });
  return `{ ${fields.join(' ')} }`;
}

const text = anyText({ maxLength: 8 });
const bytes = fc.uint8Array({ maxLength: 8 }).map((array) => Buffer.from(array));
const signedLong = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const unsignedLong = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const unsigned = fc.integer({ min: 0, max: 2 ** 32 - 1 });
// JSON writes no -0, and neither infinity nor NaN.
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);

const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  double,
  float,
  int32: int,
  sint32: int,
  sfixed32: int,
  uint32: unsigned,
  fixed32: unsigned,
  int64: signedLong,
  sint64: signedLong,
  sfixed64: signedLong,
  uint64: unsignedLong,
  fixed64: unsignedLong,
  bool: fc.boolean(),
  string: text,
  bytes,
};

const json = fc.letrec<{ value: unknown; struct: unknown; list: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant({ null_value: 0 }),
    double.map((value) => ({ number_value: value })),
    text.map((value) => ({ string_value: value })),
    fc.boolean().map((value) => ({ bool_value: value })),
    tie('struct').map((value) => ({ struct_value: value })),
    tie('list').map((value) => ({ list_value: value })),
  ),
  struct: fc.dictionary(text, tie('value'), { maxKeys: 3 }).map((fields) => ({ fields })),
  list: fc.array(tie('value'), { maxLength: 3 }).map((list) => ({ values: list })),
}));

/** Paths that are the same in both cases: the mask of one is the mask of the other. */
const mask = fc.array(fc.stringMatching(/^[a-z]{1,4}(\.[a-z]{1,4})?$/), { maxLength: 3 }).map((paths) => ({ paths }));

const timestamp = fc.record({
  seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }).map(String),
  nanos: fc.integer({ min: 0, max: 999_999_999 }),
});
const duration = fc
  .record({
    seconds: fc.bigInt({ min: 0n, max: 315_576_000_000n }),
    nanos: fc.integer({ min: 0, max: 999_999_999 }),
    sign: fc.constantFrom(1, -1),
  })
  .map(({ seconds, nanos, sign }) => ({ seconds: String(seconds * BigInt(sign)), nanos: nanos * sign + 0 }));

const messages: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  'google.protobuf.Timestamp': timestamp,
  'google.protobuf.Duration': duration,
  'google.protobuf.Struct': json.struct,
  'google.protobuf.Value': json.value,
  'google.protobuf.ListValue': json.list,
  'google.protobuf.FieldMask': mask,
};

/** Random messages, as they are written: every field that cannot be unset is set. */
export function messageOf(type: Type, depth = 0): fc.Arbitrary<object> {
  const known = messages[nameOf(type)];
  if (known) return known as fc.Arbitrary<object>;
  if (nameOf(type) === 'google.protobuf.Any') return anyOf(type, depth);
  const inOneOf = new Set<string>();
  const parts: fc.Arbitrary<object>[] = [];
  for (const oneOf of type.oneofsArray) {
    for (const { name } of oneOf.fieldsArray) inOneOf.add(name);
    const members = oneOf.fieldsArray.filter((field) => isMade(field, depth));
    const member = members.map((field) => valueOf(field, depth).map((value) => ({ [field.name]: value })));
    parts.push(fc.oneof(fc.constant({}), ...member));
  }
  for (const field of fieldsOf(type)) {
    if (inOneOf.has(field.name) || !isMade(field, depth)) continue;
    const one = valueOf(field, depth);
    const { name } = field;
    if (isMap(field)) {
      parts.push(
        fc
          .uniqueArray(fc.tuple(keyOf(field), one), { maxLength: 3, selector: ([key]) => key })
          .map((entries) => ({ [name]: Object.fromEntries(entries) })),
      );
    } else if (field.repeated) {
      parts.push(fc.array(one, { maxLength: 3 }).map((list) => ({ [name]: list })));
    } else {
      // The null of JSON is a Value: one that is not set would come back as that.
      const isAlways = field.required || !field.hasPresence || field.type === 'google.protobuf.Value';
      parts.push(
        isAlways
          ? one.map((value) => ({ [name]: value }))
          : fc.oneof(
              fc.constant({}),
              one.map((value) => ({ [name]: value })),
            ),
      );
    }
  }
  return fc.tuple(...parts).map((all) => Object.assign(Object.create(null), ...all) as object);
}

function isMade(field: Field, depth: number): boolean {
  return leafOf(field.resolve()) !== undefined || depth < maxDepth;
}

function valueOf({ resolvedType, type }: Field, depth: number): fc.Arbitrary<unknown> {
  if (resolvedType instanceof Enum) return fc.constantFrom(...Object.values(resolvedType.values));
  if (resolvedType instanceof Type) return messageOf(resolvedType, depth + 1);
  return values[type] ?? fc.constant(undefined);
}

function keyOf({ keyType }: MapField): fc.Arbitrary<string> {
  if (keyType === 'bool') return fc.boolean().map((key) => (key ? 'true' : ''));
  return (values[keyType] ?? text).map(String);
}

/** An Any that holds one of the messages that the protos define. */
function anyOf(any: Type, depth: number): fc.Arbitrary<object> {
  const types = [
    'google.protobuf.StringValue',
    'google.protobuf.UInt64Value',
    'google.protobuf.Duration',
    'google.protobuf.Struct',
    'google.type.Date',
    ...(depth < maxDepth ? ['lab.v1.Gift'] : []),
  ];
  return fc.oneof(
    ...types.map((name) => {
      const type = any.root.lookupType(name);
      return messageOf(type, depth + 1).map((message) => ({
        type_url: `type.googleapis.com/${name}`,
        value: encode(type, message),
      }));
    }),
  );
}

/** Writes a message that was made here. */
export function encode(type: Type, message: object): Buffer {
  return type.encode(type.fromObject(message)).finish() as Buffer;
}

/** A message as everything that it says: what was left out because it is the default is there. */
export function decode(type: Type, written: Uint8Array): object {
  return type.toObject(type.decode(written), { longs: String, defaults: true, arrays: true, objects: true });
}
