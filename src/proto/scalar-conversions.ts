import { Enum, MapField, Type, type Field } from 'protobufjs';
import Long from 'long';
import { typed, type MessageConversion, type ScalarConversion } from './conversion';
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
import { wrappers, wrapping } from './wrappers';

/** Conversions by the GraphQL scalar, the natural one first. */
type Conversions = Readonly<Record<string, ScalarConversion>>;
type MessageConversions = Readonly<Record<string, MessageConversion>>;

const int32Range = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const uint32Range = { min: 0, max: 2 ** 32 - 1 };

/** `Int` is a signed 32-bit number. A value outside is an error, never a wrapped number. */
function toInt(value: number): number {
  if (!Number.isInteger(value) || value > int32Range.max || value < int32Range.min) {
    unreadable('a number does not fit Int: BigInt holds 64 bits');
  }
  return value;
}

function longToText(value: Long | number): string {
  return value.toString();
}

function longToInt(value: Long | number): number {
  return toInt(typeof value === 'number' ? value : value.toNumber());
}

/** Beyond 2^53 a `Float` would lose digits. */
function longToFloat(value: Long | number): number {
  const number = typeof value === 'number' ? value : value.toNumber();
  if (!Number.isSafeInteger(number)) unreadable('a number does not fit Float exactly: BigInt holds 64 bits');
  return number;
}

/** Writes 64-bit numbers. Refuses what does not fit, and numbers that JSON may have rounded. */
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

/** A `Float` beyond the range of 32 bits would become infinity. */
function toFloat(value: unknown): number {
  const number = toDouble(value);
  if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) rejectValue('does not fit a float of 32 bits');
  return number;
}

function toDouble(value: unknown): number {
  // In ProtoJSON these are text. GraphQL's Float never lets them through.
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return typeof value === 'number' ? value : rejectValue('is not a number');
}

function toBool(value: unknown): boolean {
  return typeof value === 'boolean' ? value : rejectValue('is not true or false');
}

/** protobufjs decodes a bytes field that was not on the wire to an empty array. */
function bytesToBase64(value: Uint8Array | readonly never[]): string {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
    : '';
}

/** Takes both alphabets of RFC 4648, with or without padding. */
function base64ToBytes(value: unknown): Buffer {
  const digits = typeof value === 'string' ? /^([A-Za-z0-9+/_-]*)={0,2}$/.exec(value)?.[1] : undefined;
  if (digits === undefined || digits.length % 4 === 1) return rejectValue('is not base64');
  return Buffer.from(digits, 'base64');
}

const text: ScalarConversion = { read: undefined, write: wellFormed };
const base64: ScalarConversion = { read: typed(bytesToBase64), write: base64ToBytes };

function integer(range: { readonly min: number; readonly max: number }): Conversions {
  const write = toInteger(range);
  const asText = { read: String, write };
  return {
    Int: { read: range.max > int32Range.max ? typed(toInt) : undefined, write },
    Float: { read: undefined, write },
    BigInt: asText,
    String: asText,
    ID: asText,
  };
}

function long(unsigned: boolean): Conversions {
  const write = toLong(unsigned);
  const asText = { read: typed(longToText), write };
  return {
    BigInt: asText,
    String: asText,
    ID: asText,
    Int: { read: typed(longToInt), write },
    Float: { read: typed(longToFloat), write },
  };
}

const int32 = integer(int32Range);
const uint32 = integer(uint32Range);

/** The GraphQL scalars that each scalar type of protobuf may be. */
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
  float: { Float: { read: typed(finite), write: toFloat } },
  double: { Float: { read: typed(finite), write: toDouble } },
  bytes: { String: base64, ID: base64 },
};

/** ProtoJSON writes NaN and infinity as text. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** The conversion without the limits of a GraphQL scalar: 64 bits as text, other numbers as numbers. */
function natural(conversions: Conversions): ScalarConversion | undefined {
  const [first] = Object.values(conversions);
  return first === conversions['Int'] ? conversions['Float'] : first;
}

/** How a scalar type goes out and comes in as JSON (ProtoJSON). */
export function jsonConversion(protoType: string): ScalarConversion {
  const conversion = natural(scalars[protoType] ?? {});
  if (!conversion) throw new Error(`${protoType} is no scalar type of protobuf`);
  const { read, write } = conversion;
  return { read: read === finite ? typed(jsonNumber) : read, write };
}

const timestamp: MessageConversion = { read: typed(timestampToText), write: textToTimestamp };
const duration: MessageConversion = { read: typed(durationToText), write: textToDuration };
const nothing: MessageConversions = {
  Boolean: { read: () => true, write: (value) => (toBool(value) ? {} : undefined) },
};

/** The messages that are a value rather than an object, with the GraphQL scalars that each may be. */
const wellKnownTypes: Readonly<Record<string, MessageConversions>> = {
  'google.protobuf.Timestamp': { DateTime: timestamp, String: timestamp },
  'google.protobuf.Duration': { Duration: duration, String: duration },
  'google.protobuf.Empty': nothing,
  'google.protobuf.FieldMask': {
    String: {
      read: typed(({ paths }: { readonly paths: readonly string[] }) => paths.join(',')),
      write: (value) => ({
        paths: wellFormed(value)
          .split(',')
          .filter((path) => path !== ''),
      }),
    },
  },
  'google.protobuf.Struct': {
    JSON: { read: typed(structToJson), write: (value, depth) => jsonToStruct(value, depth + 1) },
  },
  'google.protobuf.Value': {
    JSON: { read: typed(valueToJson), write: (value, depth) => jsonToValue(value, depth + 1) },
  },
  'google.protobuf.ListValue': {
    JSON: { read: typed(listToJson), write: (value, depth) => jsonToList(value, depth + 1) },
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
export function wellKnown(type: Type): MessageConversions | undefined {
  const name = type.fullName.slice(1);
  return Object.hasOwn(wellKnownTypes, name) ? wellKnownTypes[name] : undefined;
}

/** As {@link wellKnown}. A message without fields counts as Empty. */
function valueOf(type: Type): MessageConversions | undefined {
  return wellKnown(type) ?? (type.fieldsArray.length === 0 ? nothing : undefined);
}

/** True for a message that GraphQL shows as an object; false for one that is a value. */
export function isObjectMessage(type: unknown): type is Type {
  return type instanceof Type && !valueOf(type);
}

/** How a whole message goes out and comes in as a scalar; undefined where it does not. */
export function messageConversion(type: Type, graphqlName: string): MessageConversion | undefined {
  const conversions = valueOf(type);
  return conversions && Object.hasOwn(conversions, graphqlName) ? conversions[graphqlName] : undefined;
}

function conversionsOf({ resolvedType, type }: Field): Conversions | undefined {
  if (resolvedType instanceof Enum) return undefined;
  return resolvedType instanceof Type ? valueOf(resolvedType) : scalars[type];
}

/** The GraphQL scalars that a field may be, the natural one first; undefined where it is no scalar. */
export function scalarChoices(field: Field): readonly string[] | undefined {
  const conversions = conversionsOf(field);
  return conversions && Object.keys(conversions);
}

/** The GraphQL types that a field may be, for a finding about one that it may not be. */
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
