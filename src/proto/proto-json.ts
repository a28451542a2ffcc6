import { Enum, Type, util, type Field, type MapField, type Root } from 'protobufjs';
import { entryFields, newMessage } from '../internals/protobufjs';
import { wellFormed } from './json-values';
import { entriesReader, isMap } from './maps';
import { messageRules } from './message-rules';
import { deepest, hasPresence, jsonName, numberOfValue, type DecodedMessage } from './proto-model';
import { jsonConversion, wellKnown, wrappedScalar, wrapping, type Read } from './scalar-conversions';
import { rejectValue, unreadable, within } from './value-error';

const typePrefix = 'type.googleapis.com/';

/** As `Write`, of whatever JSON there is. */
type JsonWrite = (value: unknown, depth: number) => unknown;

/** How a message that is a value rather than an object goes out and comes in. */
interface JsonValue {
  readonly read: Read;
  readonly write: JsonWrite;
}

/**
 * Messages as JSON, as ProtoJSON has them: for fields that the SDL makes `JSON`, and for what an Any holds.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export class ProtoJson {
  private readonly readers = new Map<Type, Read>();
  private readonly writers = new Map<Type, JsonWrite>();

  /** @param root - Where the types that an Any may hold are found. */
  constructor(private readonly root: Root) {}

  /** How a message goes out as JSON. Compiled once per type, so types may contain themselves. */
  read(type: Type): Read {
    const special = this.special(type);
    if (special) return special.read;
    const known = this.readers.get(type);
    if (known) return known;
    const fields: { name: string; key: string; presence: boolean; read: Read | undefined }[] = [];
    const reader: Read = (message: DecodedMessage) => {
      const json: [string, unknown][] = [];
      for (const { name, key, presence, read } of fields) {
        if (presence && !Object.hasOwn(message, name)) continue;
        const value = message[name];
        json.push([key, read ? read(value as never) : value]);
      }
      return Object.fromEntries(json);
    };
    this.readers.set(type, reader);
    for (const field of type.fieldsArray) {
      fields.push({
        name: field.name,
        key: jsonName(field),
        presence: hasPresence(field),
        read: this.readField(field.resolve()),
      });
    }
    return reader;
  }

  /** How a field of a message goes out as JSON; undefined where it stays as it is. */
  readField(field: Field): Read | undefined {
    const item = this.itemReader(field);
    if (isMap(field)) {
      const entries = entriesReader(field);
      return (map: Readonly<Record<string, unknown>>) =>
        Object.fromEntries(
          entries(map).map(([key, value]) => [String(key), item ? item(value as never) : value] as const),
        );
    }
    return field.repeated && item ? (values: readonly never[]) => values.map((value) => item(value)) : item;
  }

  private itemReader({ resolvedType, type }: Field): Read | undefined {
    if (resolvedType instanceof Type) return this.read(resolvedType);
    if (!(resolvedType instanceof Enum)) return jsonConversion(type).read;
    if (isNull(resolvedType)) return () => null;
    return (number: number) => resolvedType.valuesById[number] ?? number;
  }

  /** How JSON comes in as a message. Compiled once per type, as {@link read}. */
  write(type: Type): JsonWrite {
    const special = this.special(type);
    if (special) return special.write;
    const known = this.writers.get(type);
    if (known) return known;
    const fields = new Map<string, { field: Field; write: JsonWrite; takesNull: boolean }>();
    const rules = messageRules(type, jsonNameIn(type));
    const writer: JsonWrite = (value, outer) => {
      const depth = outer + 1;
      if (depth > deepest) rejectValue('is nested too deeply');
      const message = newMessage();
      for (const [key, member] of Object.entries(object(value))) {
        const entry = fields.get(key);
        if (!entry) return rejectValue(`has "${key}", which ${type.name} has not`);
        const { field, write } = entry;
        if (member === null && !entry.takesNull) continue;
        if (Object.hasOwn(message, field.name)) rejectValue(`has ${jsonName(field)} twice`);
        try {
          message[field.name] = write(member, depth);
        } catch (error) {
          throw within(key, error);
        }
      }
      rules?.(message);
      return message;
    };
    this.writers.set(type, writer);
    for (const field of type.fieldsArray) {
      const write = this.writeField(field.resolve());
      const entry = { field, write, takesNull: takesNull(field) && !field.repeated && !isMap(field) };
      // ProtoJSON takes both names.
      fields.set(field.name, entry);
      fields.set(jsonName(field), entry);
    }
    return writer;
  }

  /** How JSON comes in as a field of a message. */
  writeField(field: Field): JsonWrite {
    const item = this.itemWriter(field);
    if (isMap(field)) {
      const writeKey = this.keyWriter(field);
      return (value, depth) =>
        Object.fromEntries(
          Object.entries(object(value)).map(([key, member]) => {
            try {
              return [writeKey(key), item(member, depth)] as const;
            } catch (error) {
              throw within(key, error);
            }
          }),
        );
    }
    if (!field.repeated) return item;
    return (value, depth) => {
      if (!Array.isArray(value)) return rejectValue('is not a list');
      return value.map((member, index) => {
        try {
          return item(member, depth);
        } catch (error) {
          throw within(index, error);
        }
      });
    };
  }

  /** Keys are text in JSON; they are checked as values of their type before they are written. */
  private keyWriter(field: Field & MapField): (key: string) => string {
    if (field.keyType === 'bool') {
      return (key) => {
        if (key !== 'true' && key !== 'false') rejectValue('is no key: it can be true and false');
        return key;
      };
    }
    const check = this.itemWriter(entryFields(field).key);
    return (key) => String(check(key, 0));
  }

  private itemWriter({ resolvedType, type }: Field): JsonWrite {
    if (resolvedType instanceof Type) return this.write(resolvedType);
    if (resolvedType instanceof Enum) return enumWriter(resolvedType);
    return jsonConversion(type).write as JsonWrite;
  }

  /** Messages that ProtoJSON does not write as an object of their fields. */
  private special(type: Type): JsonValue | undefined {
    const scalar = wrappedScalar(type);
    if (scalar !== undefined) return wrapping(jsonConversion(scalar)) as JsonValue;
    switch (type.fullName) {
      case '.google.protobuf.Any':
        return { read: (any) => this.readAny(any), write: (value, depth) => this.writeAny(value, depth) };
      case '.google.protobuf.Empty':
        return { read: () => ({}), write: (value) => (object(value), {}) };
      case '.google.protobuf.FieldMask':
        return fieldMask;
    }
    const [conversion] = Object.values(wellKnown(type) ?? {});
    return conversion as JsonValue | undefined;
  }

  private readAny({ type_url: url, value }: { readonly type_url: string; readonly value: Uint8Array }): unknown {
    if (url === '') return null;
    const type = this.typeOf(url);
    if (!type) return unreadable(`no proto defines ${url}, which an Any holds`);
    const json = this.read(type)(decode(type, value) as never);
    return this.special(type) ? { '@type': url, value: json } : { '@type': url, ...(json as object) };
  }

  private writeAny(value: unknown, depth: number): unknown {
    const { '@type': url, ...rest } = object(value) as { '@type'?: unknown };
    const type = typeof url === 'string' ? this.typeOf(url) : undefined;
    if (typeof url !== 'string' || !type) return rejectValue('needs "@type", the name of a message that is known');
    const content = this.special(type) ? (rest as { value?: unknown }).value : rest;
    const message = this.write(type)(content, depth + 1) as Record<string, unknown>;
    return { type_url: url.includes('/') ? url : typePrefix + url, value: type.encode(message).finish() };
  }

  private typeOf(url: string): Type | undefined {
    const name = url.slice(url.lastIndexOf('/') + 1);
    // A leading dot makes protobufjs look for the full name and for nothing that only ends like it.
    const found = this.root.lookup(`.${name}`, [Type]);
    return found instanceof Type && found.fullName === `.${name}` ? found : undefined;
  }
}

/** ProtoJSON has paths in lowerCamelCase, separated by commas. */
const fieldMask: JsonValue = {
  read: ({ paths }: { readonly paths: readonly string[] }) => paths.map(util.jsonName).join(','),
  write: (value) => ({
    paths: wellFormed(value)
      .split(',')
      .filter((path) => path !== '')
      .map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  }),
};

function enumWriter(type: Enum): JsonWrite {
  if (isNull(type)) return (value) => (value === null || value === 'NULL_VALUE' ? 0 : rejectValue('is not null'));
  return (value) => {
    if (typeof value === 'number' && (value | 0) === value) return value;
    const number = typeof value === 'string' ? numberOfValue(type, value) : undefined;
    return number ?? rejectValue(`is no value of ${type.name}`);
  };
}

/** The enum of one value that stands for the null of JSON. */
function isNull(type: Enum): boolean {
  return type.fullName === '.google.protobuf.NullValue';
}

/** True where a value of a field can be the null of JSON; for others null means that they are not set. */
export function takesNull({ resolvedType }: Field): boolean {
  return resolvedType instanceof Type
    ? resolvedType.fullName === '.google.protobuf.Value'
    : resolvedType instanceof Enum && isNull(resolvedType);
}

/** True for a message that is the null of JSON in one of its forms: a Value of null, an Any of nothing. */
export function canBeJsonNull(type: Type): boolean {
  return type.fullName === '.google.protobuf.Value' || type.fullName === '.google.protobuf.Any';
}

function jsonNameIn(type: Type): (name: string) => string {
  return (name) => {
    const field = type.fields[name];
    return field ? jsonName(field) : name;
  };
}

function decode(type: Type, bytes: Uint8Array): unknown {
  try {
    return type.decode(bytes);
  } catch (error) {
    return unreadable(`what an Any holds is not a ${type.fullName.slice(1)}: ${String(error)}`);
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return rejectValue('is not a JSON object');
  return value as Record<string, unknown>;
}
