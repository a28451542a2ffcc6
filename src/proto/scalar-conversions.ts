import { Enum, MapField, Type, type Field } from 'protobufjs';
import Long from 'long';
import {
  finite,
  jsonToList,
  jsonToStruct,
  jsonToValue,
  listToJson,
  structToJson,
  valueToJson,
  wellFormed,
} from './json-values';
import { durationToText, textToDuration, textToTimestamp, timestampToText } from './times';
import { rejectValue, unreadable } from './value-error';

/**
 * Turns a value of a decoded message into what GraphQL sends out.
 *
 * @throws GatewayError UPSTREAM_ERROR for what GraphQL cannot show
 */
export type Read = (value: never) => unknown;

/**
 * Turns what GraphQL took in into what a message is written from; into undefined what is not to be written.
 *
 * @param depth - How many messages the one that the value is for is in.
 * @throws ValueError for what does not fit
 */
export type Write = (value: never, depth: number) => unknown;

/** How values of one proto type go out and come in as one GraphQL scalar. Undefined where they are the same. */
export interface ScalarConversion {
  readonly read: Read | undefined;
  readonly write: Write | undefined;
}

/** Conversions by the GraphQL scalar, the natural one first. */
type Conversions = Readonly<Record<string, ScalarConversion>>;

const int32Range = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const uint32Range = { min: 0, max: 2 ** 32 - 1 };

/** `Int` holds 32 bits with a sign; a value outside is an error, never a wrapped number. */
function toInt(value: number): number {
  if (!Number.isInteger(value) || value > int32Range.max || value < int32Range.min) {
    unreadable(`${value} does not fit Int`);
  }
  return value;
}

function longToText(value: Long | number): string {
  return value.toString();
}

function longToInt(value: Long | number): number {
  return toInt(typeof value === 'number' ? value : value.toNumber());
}

/** `Float` holds every whole number up to 2^53; beyond, digits would be lost. */
function longToFloat(value: Long | number): number {
  const number = typeof value === 'number' ? value : value.toNumber();
  if (!Number.isSafeInteger(number)) unreadable(`${value.toString()} does not fit Float exactly`);
  return number;
}

/** Reads 64 bits. A number that JSON has rounded already is refused as well as what does not fit. */
function toLong(unsigned: boolean) {
  return (value: unknown): Long => {
    const text = String(value);
    if (!/^-?\d{1,20}$/.test(text)) rejectValue('is not a whole number of up to 64 bits');
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      rejectValue('is not exact as a number: send it as text');
    }
    const number = BigInt(text);
    const [min, max] = unsigned ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
    if (number < min || number > max) {
      rejectValue(`does not fit ${unsigned ? 'an unsigned' : 'a signed'} 64-bit number`);
    }
    return Long.fromString(number.toString(), unsigned);
  };
}

function toInteger({ min, max }: { readonly min: number; readonly max: number }) {
  return (value: unknown): number => {
    const number = /^-?\d{1,10}(\.0+)?$/.test(String(value)) ? Number(value) : Number.NaN;
    if (!Number.isInteger(number)) rejectValue('is not a whole number of 32 bits');
    if (number < min || number > max) rejectValue(`does not fit ${min} to ${max}`);
    return number;
  };
}

/** Four bytes hold less than a Float does: beyond their range they would say infinity. */
function toFloat(value: unknown): number {
  const number = toDouble(value);
  if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) rejectValue('does not fit a float of 32 bits');
  return number;
}

function toDouble(value: unknown): number {
  // ProtoJSON has these as text; the Float of GraphQL never gets here with any.
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return typeof value === 'number' ? value : rejectValue('is not a number');
}

function toBool(value: unknown): boolean {
  return typeof value === 'boolean' ? value : rejectValue('is not true or false');
}

/** An empty field that was not on the wire is an empty list to protobufjs. */
function bytesToBase64(value: Uint8Array | readonly never[]): string {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
    : '';
}

/** Both alphabets of RFC 4648 are read, padded or not. */
function base64ToBytes(value: unknown): Buffer {
  const digits = typeof value === 'string' ? /^([A-Za-z0-9+/_-]*)={0,2}$/.exec(value)?.[1] : undefined;
  if (digits === undefined || digits.length % 4 === 1) return rejectValue('is not base64');
  return Buffer.from(digits, 'base64');
}

const text: ScalarConversion = { read: undefined, write: wellFormed };
const base64: ScalarConversion = { read: bytesToBase64, write: base64ToBytes };

function integer(range: { readonly min: number; readonly max: number }): Conversions {
  const write = toInteger(range);
  const asText = { read: String, write };
  return {
    Int: { read: range.max > int32Range.max ? toInt : undefined, write },
    Float: { read: undefined, write },
    BigInt: asText,
    String: asText,
    ID: asText,
  };
}

function long(unsigned: boolean): Conversions {
  const write = toLong(unsigned);
  const asText = { read: longToText, write };
  return {
    BigInt: asText,
    String: asText,
    ID: asText,
    Int: { read: longToInt, write },
    Float: { read: longToFloat, write },
  };
}

const int32 = integer(int32Range);
const uint32 = integer(uint32Range);

/** What each scalar type of protobuf may be in GraphQL. */
const scalars: Readonly<Record<string, Conversions>> = {
  string: { String: text, ID: text },
  bool: { Boolean: { read: undefined, write: toBool } },
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64: long(false),
  sint64: long(false),
  sfixed64: long(false),
  uint64: long(true),
  fixed64: long(true),
  float: { Float: { read: finite, write: toFloat } },
  double: { Float: { read: finite, write: toDouble } },
  bytes: { String: base64, ID: base64 },
};

/** ProtoJSON writes what JSON has no number for as text. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** How values go out and come in where no scalar of GraphQL limits them: 64 bits as text, other numbers as numbers. */
function natural(conversions: Conversions): ScalarConversion | undefined {
  const [first] = Object.values(conversions);
  return first === conversions['Int'] ? conversions['Float'] : first;
}

/** How a scalar type goes out and comes in as JSON (ProtoJSON). */
export function jsonConversion(protoType: string): ScalarConversion {
  const { read, write } = natural(scalars[protoType] ?? {}) ?? {};
  return { read: read === finite ? jsonNumber : read, write };
}

/** The scalar that a message of google/protobuf/wrappers.proto wraps, so that it can be unset; undefined for others. */
export function wrappedScalar(type: Type): string | undefined {
  const name = type.fullName.slice(1);
  return Object.hasOwn(wrappers, name) ? wrappers[name] : undefined;
}

const wrappers: Readonly<Record<string, string>> = {
  'google.protobuf.DoubleValue': 'double',
  'google.protobuf.FloatValue': 'float',
  'google.protobuf.Int64Value': 'int64',
  'google.protobuf.UInt64Value': 'uint64',
  'google.protobuf.Int32Value': 'int32',
  'google.protobuf.UInt32Value': 'uint32',
  'google.protobuf.BoolValue': 'bool',
  'google.protobuf.StringValue': 'string',
  'google.protobuf.BytesValue': 'bytes',
};

/** The scalar type of a field, wrapped or not; undefined for enums and other messages. */
export function bareType({ type, resolvedType }: Field): string | undefined {
  if (!resolvedType) return type;
  return resolvedType instanceof Type ? wrappedScalar(resolvedType) : undefined;
}

/** A value as a field that may be a wrapper takes it. */
export function wrapped(field: Field, value: unknown): unknown {
  return field.resolvedType instanceof Type ? { value } : value;
}

/** A value of a field that may be a wrapper, bare; undefined where it is not set. */
export function unwrapped({ resolvedType }: Field, value: unknown): unknown {
  if (!(resolvedType instanceof Type) || wrappedScalar(resolvedType) === undefined) return value;
  return (value as { readonly value: unknown } | null | undefined)?.value;
}

/** The conversion of a wrapper from that of what it wraps. */
export function wrapping({ read, write }: ScalarConversion): ScalarConversion {
  return {
    read: ({ value }: { readonly value: never }) => (read ? read(value) : value),
    write: (value: never, depth) => ({ value: write ? write(value, depth) : value }),
  };
}

const timestamp: ScalarConversion = { read: timestampToText, write: textToTimestamp };
const duration: ScalarConversion = { read: durationToText, write: textToDuration };
const nothing: Conversions = {
  Boolean: { read: () => true, write: (value: unknown) => (toBool(value) ? {} : undefined) },
};

/** Messages that are a value rather than an object, and what they may be in GraphQL. */
const wellKnownTypes: Readonly<Record<string, Conversions>> = {
  'google.protobuf.Timestamp': { DateTime: timestamp, String: timestamp },
  'google.protobuf.Duration': { Duration: duration, String: duration },
  'google.protobuf.Empty': nothing,
  'google.protobuf.FieldMask': {
    String: {
      read: ({ paths }: { readonly paths: readonly string[] }) => paths.join(','),
      write: (value: unknown) => ({
        paths: wellFormed(value)
          .split(',')
          .filter((path) => path !== ''),
      }),
    },
  },
  'google.protobuf.Struct': {
    JSON: { read: structToJson, write: (value: unknown, depth) => jsonToStruct(value, depth + 1) },
  },
  'google.protobuf.Value': {
    JSON: { read: valueToJson, write: (value: unknown, depth) => jsonToValue(value, depth + 1) },
  },
  'google.protobuf.ListValue': {
    JSON: { read: listToJson, write: (value: unknown, depth) => jsonToList(value, depth + 1) },
  },
  ...Object.fromEntries(
    Object.entries(wrappers).map(([name, scalar]) => [
      name,
      Object.fromEntries(
        Object.entries(scalars[scalar] ?? {}).map(([graphql, conversion]) => [graphql, wrapping(conversion)]),
      ),
    ]),
  ),
};

/** The scalars that a well-known message may be; undefined for a message that is an object. */
export function wellKnown(type: Type): Conversions | undefined {
  const name = type.fullName.slice(1);
  return Object.hasOwn(wellKnownTypes, name) ? wellKnownTypes[name] : undefined;
}

/** As {@link wellKnown}; a message without fields is as good as Empty. */
function valueOf(type: Type): Conversions | undefined {
  return wellKnown(type) ?? (type.fieldsArray.length === 0 ? nothing : undefined);
}

/** True for a message that has fields of its own to show; false for one that is a value. */
export function isObjectMessage(type: unknown): type is Type {
  return type instanceof Type && !valueOf(type);
}

/** How a whole message goes out as a scalar; undefined where it does not. */
export function messageConversion(type: Type, graphqlName: string): ScalarConversion | undefined {
  const conversions = valueOf(type);
  return conversions && Object.hasOwn(conversions, graphqlName) ? conversions[graphqlName] : undefined;
}

function conversionsOf({ resolvedType, type }: Field): Conversions | undefined {
  if (resolvedType instanceof Enum) return undefined;
  return resolvedType instanceof Type ? valueOf(resolvedType) : scalars[type];
}

/** GraphQL scalars that a field may have, the natural one first; undefined where it is not a scalar. */
export function scalarChoices(field: Field): readonly string[] | undefined {
  const conversions = conversionsOf(field);
  return conversions && Object.keys(conversions);
}

/** What a field may be in GraphQL, for a finding about what it cannot be. */
export function graphqlChoices(field: Field, kind: 'type' | 'input'): readonly string[] {
  if (field instanceof MapField) {
    return ['JSON', `a list of an ${kind === 'type' ? 'object' : 'input'} type with key and value`];
  }
  const { resolvedType } = field;
  if (resolvedType instanceof Enum) return ['an enum'];
  return scalarChoices(field) ?? [kind === 'type' ? 'an object type' : 'an input type', 'JSON'];
}

/**
 * How a field's values go out and come in as a GraphQL scalar.
 *
 * @returns undefined where the two do not fit
 */
export function scalarConversion(field: Field, graphqlName: string, builtIn: boolean): ScalarConversion | undefined {
  const conversions = conversionsOf(field);
  if (!conversions) return undefined;
  if (Object.hasOwn(conversions, graphqlName)) return conversions[graphqlName];
  // A scalar of the SDL's own, such as EmailAddress, is text or number with its own rules.
  return builtIn ? undefined : natural(conversions);
}
