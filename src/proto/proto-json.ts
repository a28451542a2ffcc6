import { Enum, Type, util, type Field, type MapField, type Root } from 'protobufjs';
import { entryFields, newMessage } from '../internals/protobufjs';
import { typed, type MessageConversion, type Read, type Write } from './conversion';
import { ItemCounter } from './decoded-items';
import { wellFormed } from './json-values';
import { compileEntriesReader, isMap } from './maps';
import { compileMessageRules } from './message-rules';
import { deepest, hasPresence, jsonName, numberOfValue, type DecodedMessage } from './proto-model';
import { jsonConversion, wellKnown } from './scalar-conversions';
import { rejectValue, unreadable, within } from './value-error';
import { wrappedScalar, wrapping } from './wrappers';

/** google.protobuf.Any. */
interface AnyMessage {
  readonly type_url: string;
  readonly value: Uint8Array;
}

const typePrefix = 'type.googleapis.com/';

/**
 * Converts messages to and from ProtoJSON: for fields of the type `JSON`, and for the contents of an Any.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export class ProtoJson {
  private readonly readers = new Map<Type, Read>();
  private readonly writers = new Map<Type, Write>();

  /** @param root - Where the types that an Any may hold are found. */
  constructor(private readonly root: Root) {}

  /** Compiles how a message goes out as JSON: once per type, since types may contain themselves. */
  compileRead(type: Type): Read {
    const conversion = this.conversionOf(type);
    if (conversion) return conversion.read;
    const known = this.readers.get(type);
    if (known) return known;
    const fields: { name: string; key: string; presence: boolean; read: Read | undefined }[] = [];
    const reader = typed((message: DecodedMessage) => {
      const json: [string, unknown][] = [];
      for (const { name, key, presence, read } of fields) {
        if (presence && !Object.hasOwn(message, name)) continue;
        const value = message[name];
        json.push([key, read ? read(value) : value]);
      }
      return Object.fromEntries(json);
    });
    this.readers.set(type, reader);
    for (const field of type.fieldsArray) {
      fields.push({
        name: field.name,
        key: jsonName(field),
        presence: hasPresence(field),
        read: this.compileFieldRead(field.resolve()),
      });
    }
    return reader;
  }

  /** Compiles how a field of a message goes out as JSON; undefined where it stays as it is. */
  compileFieldRead(field: Field): Read | undefined {
    const item = this.compileItemRead(field);
    if (isMap(field)) {
      const entries = compileEntriesReader(field);
      return typed((map: Readonly<Record<string, unknown>>) =>
        Object.fromEntries(entries(map).map(([key, value]) => [String(key), item ? item(value) : value] as const)),
      );
    }
    return field.repeated && item ? typed((values: readonly unknown[]) => values.map((value) => item(value))) : item;
  }

  private compileItemRead({ resolvedType, type }: Field): Read | undefined {
    if (resolvedType instanceof Type) return this.compileRead(resolvedType);
    if (!(resolvedType instanceof Enum)) return jsonConversion(type).read;
    if (isNull(resolvedType)) return () => null;
    return typed((number: number) => resolvedType.valuesById[number] ?? number);
  }

  /** Compiles how JSON comes in as a message, as {@link compileRead} does. */
  compileWrite(type: Type): Write {
    const conversion = this.conversionOf(type);
    if (conversion) return conversion.write;
    const known = this.writers.get(type);
    if (known) return known;
    const fields = new Map<string, { field: Field; write: Write; takesNull: boolean }>();
    const rules = compileMessageRules(type, jsonNameIn(type));
    const writer: Write = (value, outer) => {
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
      const write = this.compileFieldWrite(field.resolve());
      const entry = { field, write, takesNull: takesNull(field) && !field.repeated && !isMap(field) };
      // ProtoJSON takes both names.
      fields.set(field.name, entry);
      fields.set(jsonName(field), entry);
    }
    return writer;
  }

  /** Compiles how JSON comes in as a field of a message. */
  compileFieldWrite(field: Field): Write {
    const item = this.compileItemWrite(field);
    if (isMap(field)) {
      const writeKey = this.compileKeyWrite(field);
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

  /** Keys are text in JSON, and are checked against the key's type before they are written. */
  private compileKeyWrite(field: Field & MapField): (key: string) => string {
    if (field.keyType === 'bool') {
      return (key) => {
        if (key !== 'true' && key !== 'false') rejectValue('is no key: it can be true and false');
        return key;
      };
    }
    const write = this.compileItemWrite(entryFields(field).key);
    return (key) => String(write(key, 0));
  }

  private compileItemWrite({ resolvedType, type }: Field): Write {
    if (resolvedType instanceof Type) return this.compileWrite(resolvedType);
    if (resolvedType instanceof Enum) return compileEnumWrite(resolvedType);
    return jsonConversion(type).write;
  }

  /** For a message that ProtoJSON does not write as an object of its fields; undefined for others. */
  private conversionOf(type: Type): MessageConversion | undefined {
    const scalar = wrappedScalar(type);
    if (scalar !== undefined) return wrapping(jsonConversion(scalar));
    switch (type.fullName) {
      case '.google.protobuf.Any':
        return {
          read: typed((any: AnyMessage) => this.readAny(any)),
          write: (value, depth) => this.writeAny(value, depth),
        };
      case '.google.protobuf.Empty':
        return { read: () => ({}), write: (value) => (object(value), {}) };
      case '.google.protobuf.FieldMask':
        return fieldMask;
    }
    const [conversion] = Object.values(wellKnown(type) ?? {});
    return conversion;
  }

  private readAny({ type_url: url, value }: AnyMessage): unknown {
    if (url === '') return null;
    const type = this.typeOf(url);
    if (!type) return unreadable(`no proto defines ${url}, which an Any holds`);
    const json = this.compileRead(type)(decode(type, value));
    return this.conversionOf(type) ? { '@type': url, value: json } : { '@type': url, ...(json as object) };
  }

  private writeAny(value: unknown, depth: number): unknown {
    const { '@type': url, ...rest } = object(value) as { '@type'?: unknown };
    const type = typeof url === 'string' ? this.typeOf(url) : undefined;
    if (typeof url !== 'string' || !type) return rejectValue('needs "@type", the name of a message that is known');
    const content = this.conversionOf(type) ? (rest as { value?: unknown }).value : rest;
    const message = this.compileWrite(type)(content, depth + 1) as Record<string, unknown>;
    return { type_url: url.includes('/') ? url : typePrefix + url, value: type.encode(message).finish() };
  }

  private typeOf(url: string): Type | undefined {
    const name = url.slice(url.lastIndexOf('/') + 1);
    // A leading dot makes protobufjs look for the full name and for nothing that only ends like it.
    const found = this.root.lookup(`.${name}`, [Type]);
    return found instanceof Type && found.fullName === `.${name}` ? found : undefined;
  }
}

/** In ProtoJSON a mask is one string: its paths in lowerCamelCase, separated by commas. */
const fieldMask: MessageConversion = {
  read: typed(({ paths }: { readonly paths: readonly string[] }) => paths.map(util.jsonName).join(',')),
  write: (value) => ({
    paths: wellFormed(value)
      .split(',')
      .filter((path) => path !== '')
      .map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  }),
};

function compileEnumWrite(type: Enum): Write {
  if (isNull(type)) return (value) => (value === null || value === 'NULL_VALUE' ? 0 : rejectValue('is not null'));
  return (value) => {
    if (typeof value === 'number' && (value | 0) === value) return value;
    const number = typeof value === 'string' ? numberOfValue(type, value) : undefined;
    return number ?? rejectValue(`is no value of ${type.name}`);
  };
}

/** True for google.protobuf.NullValue, whose one value is the JSON null. */
function isNull(type: Enum): boolean {
  return type.fullName === '.google.protobuf.NullValue';
}

/** True where the JSON null is a value of the field. For other fields null means "not set". */
export function takesNull({ resolvedType }: Field): boolean {
  return resolvedType instanceof Type
    ? resolvedType.fullName === '.google.protobuf.Value'
    : resolvedType instanceof Enum && isNull(resolvedType);
}

/** True for a message that may be the JSON null: a Value of null, an empty Any. */
export function canBeJsonNull(type: Type): boolean {
  return type.fullName === '.google.protobuf.Value' || type.fullName === '.google.protobuf.Any';
}

function jsonNameIn(type: Type): (name: string) => string {
  return (name) => {
    const field = type.fields[name];
    return field ? jsonName(field) : name;
  };
}

/** The most items that what an Any holds may be decoded to. In the answer that it came with it counted as one. */
const mostItems = 500_000;

function decode(type: Type, bytes: Uint8Array): unknown {
  if (new ItemCounter(type).exceeds(bytes, mostItems)) {
    return unreadable(`what an Any holds has ${bytes.length} bytes with more than ${mostItems} items`);
  }
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
