import { Type, type Field } from 'protobufjs';
import { isMap } from '../../proto/maps';
import { compileIsUnset, fullName } from '../../proto/proto-model';
import { bareType, unwrapped } from '../../proto/wrappers';
import type { ParentField } from './parent-field';

/** A field that holds a part of a key. */
export type KeyPart = Pick<ParentField, 'source' | 'read'>;

/** The names that an argument of @lookup or @join holds, separated by spaces. */
export function namesIn(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ').filter((name) => name !== '') : [];
}

/** What a key is compared as: whole numbers match in fields of any width, wrapped values match bare ones. */
export function keyKind(field: Field): string {
  const type = bareType(field);
  if (type !== undefined) return /int|fixed/.test(type) ? 'a whole number' : type;
  // A field without a bare type is an enum or a message, and has its type resolved.
  return field.resolvedType ? fullName(field.resolvedType) : field.type;
}

/** True for a field of 64 bits. */
export function isLong(field: Field): boolean {
  return bareType(field)?.includes('64') === true;
}

/** True for a message that is no wrapper, and so no key. */
export function isMessage(field: Field): boolean {
  return field.resolvedType instanceof Type && bareType(field) === undefined;
}

export function isMany(field: Field): boolean {
  return field.repeated || isMap(field);
}

/** Compiles how a part of a key is read: out of its wrapper, and undefined where it is unset. */
export function compileKeyReader(part: KeyPart): (message: unknown) => unknown {
  const read = compileBareReader(part);
  const isUnset = compileIsUnset(part.source);
  return (message) => {
    const value = read(message);
    return isUnset(value) ? undefined : value;
  };
}

/** Compiles how values of a field, or lists of them, are read out of their wrappers. */
export function compileBareReader({ source, read }: KeyPart): (message: unknown) => unknown {
  if (!source.resolvedType) return read;
  return (message) => {
    const value = read(message);
    return Array.isArray(value) ? value.map((each) => unwrapped(source, each)) : unwrapped(source, value);
  };
}
