import { Enum, MapField, Service, Type, type Field, type Method, type NamespaceBase, type Root } from 'protobufjs';
import { declaredOneOf, fieldKind, fullName, hasPresence, jsonName } from '../proto/proto-model';
import { fieldName, namesWithin, rpcName, valueName, type ProtoName } from '../schema/proto-usage';

/** A breaking change of the protos. */
export interface ProtoChange {
  /** One sentence. */
  readonly message: string;
  /** The names of the older protos that it breaks. */
  readonly names: readonly ProtoName[];
}

/** What protos define, by full name. */
interface Definitions {
  readonly services: ReadonlyMap<string, Service>;
  readonly types: ReadonlyMap<string, Type>;
  readonly enums: ReadonlyMap<string, Enum>;
}

/**
 * The changes that break callers or servers made from the older protos: on the wire, in generated code, or in what a gateway
 * maps by name. Additions break nothing.
 */
export function protoChanges(before: Root, after: Root): ProtoChange[] {
  const [older, newer] = [definitionsOf(before), definitionsOf(after)];
  return [
    ...[...older.services].flatMap(([name, service]) => serviceChanges(name, service, newer.services.get(name))),
    ...[...older.types].flatMap(([name, type]) => typeChanges(name, type, newer, older)),
    ...[...older.enums].flatMap(([name, type]) => enumChanges(name, type, newer, older)),
  ];
}

function definitionsOf(root: Root): Definitions {
  const services = new Map<string, Service>();
  const types = new Map<string, Type>();
  const enums = new Map<string, Enum>();
  const collect = (namespace: NamespaceBase): void => {
    for (const child of namespace.nestedArray) {
      const name = child.fullName.slice(1);
      // What comes with protobuf itself does not change.
      if (name === 'google.protobuf') continue;
      if (child instanceof Service) services.set(name, child);
      if (child instanceof Type) types.set(name, child);
      if (child instanceof Enum) enums.set(name, child);
      if ('nestedArray' in child) collect(child);
    }
  };
  collect(root);
  return { services, types, enums };
}

function serviceChanges(name: string, before: Service, after: Service | undefined): ProtoChange[] {
  if (!after) return [{ message: `the service ${name} was removed`, names: before.methodsArray.map(rpcName) }];
  return before.methodsArray.flatMap((method) =>
    rpcChanges(
      method,
      after.methodsArray.find((each) => each.name === method.name),
    ),
  );
}

/** The idempotency levels, from the strongest promise to none. */
const promises = ['NO_SIDE_EFFECTS', 'IDEMPOTENT', 'IDEMPOTENCY_UNKNOWN'];

function rpcChanges(before: Method, after: Method | undefined): ProtoChange[] {
  const name = rpcName(before);
  const change = (message: string): ProtoChange => ({ message: `${name} ${message}`, names: [name] });
  if (!after) return [change('was removed')];
  const changes: ProtoChange[] = [];
  const compare = (read: (method: Method) => string, say: (now: string, then: string) => string): void => {
    const [now, then] = [read(after), read(before)];
    if (now !== then) changes.push(change(say(now, then)));
  };
  compare(requestOf, (now, then) => `takes ${now}, and took ${then}`);
  compare(responseOf, (now, then) => `answers ${now}, and answered ${then}`);
  compare(streaming, (now, then) => `is ${now}, and was ${then}`);
  const [older, newer] = [promise(before), promise(after)];
  if (promises.indexOf(newer) > promises.indexOf(older)) {
    changes.push(change(`is ${newer}, and was ${older}`));
  }
  return changes;
}

function requestOf({ resolvedRequestType: type }: Method): string {
  return type ? fullName(type) : '?';
}

function responseOf({ resolvedResponseType: type }: Method): string {
  return type ? fullName(type) : '?';
}

function streaming({ requestStream, responseStream }: Method): string {
  if (requestStream) return responseStream ? 'bidirectional streaming' : 'client streaming';
  return responseStream ? 'server streaming' : 'unary';
}

function promise(method: Method): string {
  const level: unknown = method.getOption('idempotency_level');
  return typeof level === 'string' && promises.includes(level) ? level : 'IDEMPOTENCY_UNKNOWN';
}

function typeChanges(name: string, before: Type, newer: Definitions, older: Definitions): ProtoChange[] {
  const after = newer.types.get(name);
  if (!after) {
    // The removal of the message that it is in says enough.
    if (before.parent instanceof Type && !newer.types.has(fullName(before.parent))) return [];
    return [{ message: `the message ${name} was removed`, names: [...namesWithin(before), ...usersOf(before, older)] }];
  }
  return before.fieldsArray.flatMap((field) => fieldChanges(field, after));
}

/** The fields that have a message or enum as their type, and the RPCs that take it or answer with it. */
function usersOf(type: Type | Enum, { types, services }: Definitions): ProtoName[] {
  const fields = [...types.values()].flatMap((each) => each.fieldsArray).filter((field) => field.resolvedType === type);
  const rpcs = [...services.values()]
    .flatMap((service) => service.methodsArray)
    .filter((method) => method.resolvedRequestType === type || method.resolvedResponseType === type);
  return [...fields.map(fieldName), ...rpcs.map(rpcName)];
}

function fieldChanges(before: Field, type: Type): ProtoChange[] {
  const name = fieldName(before);
  const change = (message: string): ProtoChange => ({ message: `${name} ${message}`, names: [name] });
  const after = type.fields[before.name];
  if (!after) {
    const heir = type.fieldsById[before.id];
    return [change(heir ? `was removed: its number ${before.id} is ${heir.name} now` : 'was removed')];
  }
  const changes: ProtoChange[] = [];
  if (after.id !== before.id) changes.push(change(`has the number ${after.id}, and had ${before.id}`));
  const [newType, oldType] = [after, before].map(typeText);
  if (newType !== oldType) {
    const same = wireFormat(after) === wireFormat(before) ? ', which has the same wire format' : '';
    changes.push(change(`is ${newType}, and was ${oldType}${same}`));
  }
  const [newOneOf, oldOneOf] = [after, before].map((field) => declaredOneOf(field)?.name);
  if (newOneOf !== oldOneOf) {
    changes.push(change(`is in ${oneOfText(newOneOf)}, and was in ${oneOfText(oldOneOf)}`));
  } else if (label(after) !== label(before)) {
    changes.push(change(`is ${label(after)}, and was ${label(before)}`));
  }
  if (jsonName(after) !== jsonName(before)) {
    changes.push(change(`is called ${jsonName(after)} in JSON, and was called ${jsonName(before)}`));
  }
  return changes;
}

function oneOfText(name: string | undefined): string {
  return name === undefined ? 'no oneof' : `the oneof ${name}`;
}

function typeText(field: Field): string {
  // Protos may write a type relative to their package; the full name is comparable.
  const value = field.resolvedType ? fullName(field.resolvedType) : field.type;
  return field instanceof MapField ? `map<${field.keyType}, ${value}>` : value;
}

function label(field: Field): string {
  if (field instanceof MapField) return 'a map';
  if (field.repeated) return 'repeated';
  if (field.required) return 'required';
  if (field.resolvedType instanceof Type || declaredOneOf(field)) return 'singular';
  return hasPresence(field) ? 'optional' : 'singular';
}

/**
 * Types of one wire format: a parser for one of them reads the others, if not always as the same value.
 *
 * @see https://protobuf.dev/programming-guides/proto3/#updating
 */
const wireFormats: Readonly<Record<string, string>> = {
  int32: 'varint',
  int64: 'varint',
  uint32: 'varint',
  uint64: 'varint',
  bool: 'varint',
  sint32: 'zigzag',
  sint64: 'zigzag',
  fixed32: '32 bits',
  sfixed32: '32 bits',
  fixed64: '64 bits',
  sfixed64: '64 bits',
  string: 'bytes',
  bytes: 'bytes',
};

function wireFormat(field: Field): string {
  if (field instanceof MapField) return `${fieldKind(field)} ${field.id}`;
  if (field.resolvedType instanceof Enum) return 'varint';
  return wireFormats[field.type] ?? typeText(field);
}

function enumChanges(name: string, before: Enum, newer: Definitions, older: Definitions): ProtoChange[] {
  const after = newer.enums.get(name);
  const names = Object.keys(before.values).map((value) => valueName(before, value));
  if (!after) {
    if (before.parent instanceof Type && !newer.types.has(fullName(before.parent))) return [];
    return [{ message: `the enum ${name} was removed`, names: [...names, ...usersOf(before, older)] }];
  }
  return Object.entries(before.values).flatMap(([value, number]) => {
    const change = (message: string): ProtoChange => ({
      message: `${name}.${value} ${message}`,
      names: [valueName(before, value)],
    });
    const now = after.values[value];
    if (now === undefined) {
      const heir = after.valuesById[number];
      return [change(heir === undefined ? 'was removed' : `was removed: its number ${number} is ${heir} now`)];
    }
    return now === number ? [] : [change(`has the number ${now}, and had ${number}`)];
  });
}
