import Long from 'long';
import { Field, MapField, Type } from 'protobufjs';

/** True for a map. */
export function isMap(field: Field): field is Field & MapField {
  return (field as unknown) instanceof MapField;
}

/**
 * The fields of a map's entry, as fields of a message of its own (Protocol Buffers, "Maps": a map is a list of such).
 */
export function entryFields(map: MapField): { readonly key: Field; readonly value: Field } {
  const key = new Field('key', 1, map.keyType);
  const value = new Field('value', 2, map.type);
  for (const field of [key, value]) {
    field.parent = map.parent;
    field.resolved = true;
  }
  value.resolvedType = map.resolvedType;
  return { key, value };
}

type Key = string | number | boolean | Long;

/** Reads the entries of a decoded map, each key as a field of the key's type would hold it. */
export function entriesReader({ keyType, resolvedType }: MapField) {
  return (map: Readonly<Record<string, unknown>>): (readonly [key: Key, value: unknown])[] =>
    Object.entries(map).map(([name, value]) => [
      mapKey(keyType, name),
      // An entry without a value has the default one. protobufjs knows it of scalars only.
      value === null && resolvedType instanceof Type ? resolvedType.create() : value,
    ]);
}

function mapKey(keyType: string, name: string): Key {
  if (keyType === 'string') return name;
  if (keyType === 'bool') return name === 'true';
  return keyType.includes('64') ? longKey(keyType, name) : Number(name);
}

/** A key, as text or as a field of its type would be written, as protobufjs writes it from a map. */
export function mapKeyName(keyType: string, key: unknown): string {
  // protobufjs writes any text but the empty one as true.
  if (keyType === 'bool') return String(key) === 'true' ? 'true' : '';
  return String(key);
}

/** protobufjs keeps a 64-bit key as a string of its eight bytes, the lowest first; an absent one as "0". */
function longKey(keyType: string, name: string): Long {
  const unsigned = keyType === 'uint64' || keyType === 'fixed64';
  if (name.length !== 8) return Long.fromString(name, unsigned);
  return Long.fromBytesLE([...Buffer.from(name, 'latin1')], unsigned);
}
