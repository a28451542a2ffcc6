import Long from 'long';
import { Field, MapField, Type } from 'protobufjs';

/** True for a map. */
export function isMap(field: Field): field is Field & MapField {
  return (field as unknown) instanceof MapField;
}

/**
 * The fields of a map's entry message: on the wire a map is a repeated field of these (Protocol Buffers, "Maps").
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

type MapKey = string | number | boolean | Long;

/** Reads the entries of a decoded map. Each key is what a field of the key's type would decode to. */
export function entriesReader({ keyType, resolvedType }: MapField) {
  return (map: Readonly<Record<string, unknown>>): (readonly [key: MapKey, value: unknown])[] =>
    Object.entries(map).map(([name, value]) => [
      mapKey(keyType, name),
      // An entry without a value has the default. protobufjs sets it for scalars only.
      value === null && resolvedType instanceof Type ? resolvedType.create() : value,
    ]);
}

function mapKey(keyType: string, name: string): MapKey {
  if (keyType === 'string') return name;
  if (keyType === 'bool') return name === 'true';
  return keyType.includes('64') ? longKey(keyType, name) : Number(name);
}

/** The property name that protobufjs writes a map key from; the key is text, or what a field of its type is written from. */
export function mapKeyName(keyType: string, key: unknown): string {
  // protobufjs writes any name but the empty one as true.
  if (keyType === 'bool') return String(key) === 'true' ? 'true' : '';
  return String(key);
}

/** protobufjs decodes a 64-bit key to a string of its eight bytes, lowest first; a missing one to "0". */
function longKey(keyType: string, name: string): Long {
  const unsigned = keyType === 'uint64' || keyType === 'fixed64';
  if (name.length !== 8) return Long.fromString(name, unsigned);
  return Long.fromBytesLE([...Buffer.from(name, 'latin1')], unsigned);
}
