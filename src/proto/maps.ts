import Long from 'long';
import type { Field, MapField } from 'protobufjs';

/** True for a map. */
export function isMap(field: Field): field is Field & MapField {
  return field.map;
}

type MapKey = string | number | boolean | Long;

/** Compiles how the entries of a decoded map are read. Each key is what a field of the key's type would decode to. */
export function compileEntriesReader({ keyType }: MapField) {
  return (map: Readonly<Record<string, unknown>>): (readonly [key: MapKey, value: unknown])[] =>
    Object.entries(map).map(([name, value]) => [mapKey(keyType, name), value]);
}

function mapKey(keyType: string, name: string): MapKey {
  if (keyType === 'string') return name;
  if (keyType === 'bool') return name === 'true';
  return keyType.includes('64') ? longKey(keyType, name) : Number(name);
}

/**
 * protobufjs keeps a 64-bit key as a string of its eight bytes, the lowest first; an absent one as "0". Its longFromKey
 * takes bytes that look like digits for a decimal number.
 */
function longKey(keyType: string, name: string): Long {
  const unsigned = keyType === 'uint64' || keyType === 'fixed64';
  if (name.length !== 8) return Long.fromString(name, unsigned);
  return Long.fromBytesLE([...Buffer.from(name, 'latin1')], unsigned);
}
