import { Enum, Type, type Field, type MapField, type Root } from 'protobufjs';
import { GatewayError } from '../errors';
import { entryFields, isMap, mapKeyName, mapKeyText } from './maps';
import { hasPresence, jsonName, type DecodedMessage } from './proto-model';
import { naturalConversion, wellKnown, type Read, type Write } from './scalar-values';

const typePrefix = 'type.googleapis.com/';
const anyName = 'google.protobuf.Any';
/** Deeper messages than this are refused: writing them would recurse as deep. */
const maxDepth = 64;

/**
 * Messages as JSON, as ProtoJSON has them: for fields that the SDL makes `JSON`, and for what an Any holds.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export class ProtoJson {
  private readonly readers = new Map<Type, Read>();
  private readonly writers = new Map<Type, (value: unknown, depth: number) => unknown>();

  /** @param root - Where the types that an Any may hold are found. */
  constructor(private readonly root: Root) {}

  /** How a message goes out as JSON. Compiled once per type, so types may contain themselves. */
  read(type: Type): Read {
    const natural = wellKnown(type) && Object.values(wellKnown(type) ?? {})[0]?.read;
    if (natural) return natural;
    if (type.fullName === `.${anyName}`) return (any) => this.readAny(any);
    const known = this.readers.get(type);
    if (known) return known;
    const fields: { name: string; key: string; presence: boolean; read: Read | undefined }[] = [];
    const reader: Read = (message: DecodedMessage) => {
      const json: Record<string, unknown> = {};
      for (const { name, key, presence, read } of fields) {
        if (presence && !Object.hasOwn(message, name)) continue;
        const value = message[name];
        json[key] = value === null || value === undefined || !read ? value : read(value as never);
      }
      return json;
    };
    this.readers.set(type, reader);
    for (const field of type.fieldsArray) {
      fields.push({
        name: field.name,
        key: jsonName(field),
        presence: hasPresence(field),
        read: this.readField(field),
      });
    }
    return reader;
  }

  /** How a field of a message goes out as JSON; undefined where it stays as it is. */
  readField(field: Field): Read | undefined {
    const item = this.itemReader(field);
    if (isMap(field)) {
      return (map: Readonly<Record<string, never>>) =>
        Object.fromEntries(
          Object.entries(map).map(([key, value]) => [mapKeyText(field.keyType, key), item ? item(value) : value]),
        );
    }
    return field.repeated && item ? (values: readonly never[]) => values.map((value) => item(value)) : item;
  }

  private itemReader(field: Field): Read | undefined {
    const { resolvedType } = field;
    if (resolvedType instanceof Type) return this.read(resolvedType);
    if (resolvedType instanceof Enum) return (number: number) => resolvedType.valuesById[number] ?? number;
    return naturalConversion(field.type)?.read;
  }

  private readAny({ type_url: url, value }: { type_url: string; value: Uint8Array }): unknown {
    if (url === '') return null;
    const type = this.typeOf(url);
    if (!type) throw unreadable(`no proto defines ${url}, which an Any holds`);
    const json = this.read(type)(type.decode(value) as never);
    return wellKnown(type) ? { '@type': url, value: json } : { '@type': url, ...(json as object) };
  }

  private typeOf(url: string): Type | undefined {
    const found = this.root.lookup(url.slice(url.lastIndexOf('/') + 1), [Type]);
    return found instanceof Type ? found : undefined;
  }

  /** How JSON comes in as a message. */
  write(type: Type): Write {
    const write = this.writer(type);
    return (value: unknown) => write(value, 0);
  }

  /** How JSON comes in as a field of a message. */
  writeField(field: Field): Write {
    const write = this.fieldWriter(field);
    return (value: unknown) => write(value, 0);
  }

  private writer(type: Type): (value: unknown, depth: number) => unknown {
    const natural = wellKnown(type) && Object.values(wellKnown(type) ?? {})[0]?.write;
    if (natural) return (value) => natural(value as never);
    if (type.fullName === `.${anyName}`) return (value, depth) => this.writeAny(value, depth);
    const known = this.writers.get(type);
    if (known) return known;
    const fields = new Map<string, { name: string; write: (value: unknown, depth: number) => unknown }>();
    const writer = (value: unknown, depth: number): unknown => {
      if (depth > maxDepth) throw refused(`JSON may be nested at most ${maxDepth} levels deep`);
      const message: Record<string, unknown> = {};
      for (const [key, member] of Object.entries(object(value))) {
        const field = fields.get(key);
        if (!field) throw refused(`${type.name} has no field "${key}"`);
        if (member !== null && member !== undefined) message[field.name] = field.write(member, depth + 1);
      }
      return message;
    };
    this.writers.set(type, writer);
    for (const field of type.fieldsArray) {
      const write = this.fieldWriter(field.resolve());
      // ProtoJSON takes both names.
      fields.set(field.name, { name: field.name, write });
      fields.set(jsonName(field), { name: field.name, write });
    }
    return writer;
  }

  /** Keys are text in JSON; they are checked as values of their type before they are written. */
  private keyWriter(field: Field & MapField): (key: string) => string {
    const check = this.itemWriter(entryFields(field).key);
    if (field.keyType === 'bool') {
      return (key) => {
        if (key !== 'true' && key !== 'false') {
          throw refused(`"${key}" is no key of ${jsonName(field)}: it takes true and false`);
        }
        return mapKeyName('bool', key);
      };
    }
    return (key) => mapKeyName(field.keyType, check(key, 0));
  }

  private fieldWriter(field: Field): (value: unknown, depth: number) => unknown {
    const item = this.itemWriter(field);
    if (isMap(field)) {
      const writeKey = this.keyWriter(field);
      return (value, depth) =>
        Object.fromEntries(Object.entries(object(value)).map(([key, member]) => [writeKey(key), item(member, depth)]));
    }
    if (!field.repeated) return item;
    return (value, depth) => {
      if (!Array.isArray(value)) throw refused(`${jsonName(field)} takes a list`);
      return value.map((member) => item(member, depth));
    };
  }

  private itemWriter(field: Field): (value: unknown, depth: number) => unknown {
    const { resolvedType } = field;
    if (resolvedType instanceof Type) return this.writer(resolvedType);
    if (resolvedType instanceof Enum) {
      return (value) => {
        const number = typeof value === 'number' ? value : resolvedType.values[String(value)];
        if (number === undefined) throw refused(`${resolvedType.name} has no value "${String(value)}"`);
        return number;
      };
    }
    const { type } = field;
    const conversion = naturalConversion(type);
    return (value) => {
      if (!fitsJson(type, value)) throw refused(`${jsonName(field)} is ${type}`);
      return conversion?.write ? conversion.write(value as never) : value;
    };
  }

  private writeAny(value: unknown, depth: number): unknown {
    const { '@type': url, ...rest } = object(value) as { '@type'?: unknown };
    const type = typeof url === 'string' ? this.typeOf(url) : undefined;
    if (!type || typeof url !== 'string') throw refused('an Any needs "@type", the name of a known message');
    const content = wellKnown(type) ? (rest as { value?: unknown }).value : rest;
    const message = this.writer(type)(content, depth + 1) as Record<string, unknown>;
    return { type_url: url.includes('/') ? url : typePrefix + url, value: type.encode(message).finish() };
  }
}

function fitsJson(type: string, value: unknown): boolean {
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'string' || type === 'bytes') return typeof value === 'string';
  if (type === 'float' || type === 'double') return typeof value === 'number';
  return typeof value === 'number' || typeof value === 'string';
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('a JSON object is needed');
  return value as Record<string, unknown>;
}

function refused(message: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', message);
}

function unreadable(message: string): GatewayError {
  return new GatewayError('UPSTREAM_ERROR', undefined, { cause: new Error(message) });
}
