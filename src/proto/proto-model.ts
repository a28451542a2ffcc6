import Long from 'long';
import { Enum, Type, util, type Field, type OneOf } from 'protobufjs';
import { isMap } from './maps';

/** A protobuf message instance as protobufjs decodes it, with its type at hand. */
export interface DecodedMessage {
  readonly $type: Type;
  readonly [field: string]: unknown;
}

/** A message to be written: fields by their names in the proto. */
export type Fields = Record<string, unknown>;

/** Messages may be nested this deep: protobufjs, as most others, neither writes nor reads what is deeper. */
export const deepest = 100;

/** The JSON name of a field; of an extension its full name in brackets (ProtoJSON, "Field names"). */
export function jsonName(field: Field): string {
  return field.declaringField ? `[${field.name.slice(1)}]` : field.jsonName;
}

/** Finds a field by its JSON name or by its name in the proto. */
export function findField(type: Type, name: string): Field | undefined {
  return (
    type.fieldsArray.find((field) => jsonName(field) === name) ?? type.fieldsArray.find((field) => field.name === name)
  );
}

/** Finds a oneof that the proto declares (not one that stands for `optional`). */
export function findOneOf(type: Type, name: string): OneOf | undefined {
  return type.oneofsArray.find(
    (oneOf) => !oneOf.isProto3Optional && (oneOf.name === name || util.jsonName(oneOf.name) === name),
  );
}

/** The oneof that a field is a member of, where the proto declares one. */
export function declaredOneOf(field: Field): OneOf | undefined {
  return field.partOf && !field.partOf.isProto3Optional ? field.partOf : undefined;
}

/** True where a message can tell "not set" from a default value. */
export function hasPresence(field: Field): boolean {
  if (field.repeated || isMap(field)) return false;
  return field.resolvedType instanceof Type || field.partOf !== null || field.hasPresence;
}

/** True where a message of the upstream may come without the field. */
export function canBeUnset(field: Field): boolean {
  if (field.required) return false;
  const { resolvedType } = field;
  return hasPresence(field) || (resolvedType instanceof Enum && !field.repeated && hasUnspecified(resolvedType));
}

/**
 * Compiles whether a value that was read off a field names nothing: it is not set, or empty, or the zero of a field that cannot
 * tell zero from "not set". An enum's zero counts where it is called UNSPECIFIED; false is a value.
 *
 * @returns a function of the value, out of its wrapper
 */
export function compileIsUnset(field: Field): (value: unknown) => boolean {
  const isNothing = (value: unknown): boolean => value === undefined || value === null || value === '';
  if (field.repeated || isMap(field)) return (value) => isNothing(value) || Object.keys(value as object).length === 0;
  const { resolvedType } = field;
  if (field.type === 'bytes') return (value) => isNothing(value) || (value as Uint8Array).length === 0;
  if (resolvedType instanceof Enum ? !hasUnspecified(resolvedType) : hasPresence(field)) return isNothing;
  return (value) => isNothing(value) || value === 0 || (Long.isLong(value) && value.isZero());
}

/** True for an enum whose zero means "not said". */
export function hasUnspecified(type: Enum): boolean {
  return isUnspecified(type, 0);
}

/** What a field holds, as the proto says it: `repeated string`, `map<string, int32>`. */
export function fieldKind(field: Field): string {
  if (isMap(field)) return `map<${field.keyType}, ${field.type}>`;
  return `${field.repeated ? 'repeated ' : ''}${field.type}`;
}

/** Full name of a message or enum, without the leading dot. */
export function fullName(type: Type | Enum): string {
  return type.fullName.slice(1);
}

/** How a proto enum's values are called in GraphQL. */
export interface EnumNames {
  /** GraphQL name by number; a number that means "not said" is null. */
  readonly nameOf: ReadonlyMap<number, string | null>;
  /** Number by GraphQL name. */
  readonly numberOf: ReadonlyMap<string, number>;
}

/** Strips the prefix that the style guide gives to all values of an enum: USER_STATUS_ACTIVE becomes ACTIVE. */
export function enumNames(type: Enum): EnumNames {
  const prefix = enumPrefix(type);
  const nameOf = new Map<number, string | null>();
  const numberOf = new Map<string, number>();
  for (const [value, number] of Object.entries(type.values)) {
    const name = value.slice(prefix.length);
    numberOf.set(name, number);
    // With allow_alias the first name is the one that is shown.
    if (!nameOf.has(number)) nameOf.set(number, isUnspecified(type, number) ? null : name);
  }
  return { nameOf, numberOf };
}

function isUnspecified(type: Enum, number: number): boolean {
  return number === 0 && /(^|_)UNSPECIFIED$/.test(type.valuesById[0] ?? '');
}

/** The enum's own name in upper snake case where all values begin with it, else what they have in common up to a `_`. */
function enumPrefix(type: Enum): string {
  const values = Object.keys(type.values);
  const own = `${type.name.replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3_$2').toUpperCase()}_`;
  if (values.every((value) => value.startsWith(own) && isName(value.slice(own.length)))) return own;
  if (values.length < 2) return '';
  let common = values[0] ?? '';
  for (const value of values) while (!value.startsWith(common)) common = common.slice(0, -1);
  common = common.slice(0, common.lastIndexOf('_') + 1);
  return values.every((value) => isName(value.slice(common.length))) ? common : '';
}

/** GraphQL names do not begin with a digit. */
function isName(name: string): boolean {
  return /^[_A-Za-z]\w*$/.test(name);
}

/** The number of an enum value by its name in the proto; undefined for an unknown name. */
export function numberOfValue({ values }: Enum, name: string): number | undefined {
  // protobufjs keeps names by number in the same object.
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
