import { Enum, MapField, Type, type Field } from 'protobufjs';
import Long from 'long';
import { GatewayError } from '../errors';
import { durationPattern } from './scalars';

/** Turns a value of a decoded message into what GraphQL sends out. */
export type Read = (value: never) => unknown;
/** Turns what GraphQL took in into what a message is written from. */
export type Write = (value: never) => unknown;

/** How values of one proto type go out and come in as one GraphQL scalar. Undefined where they are the same. */
export interface ScalarConversion {
  readonly read: Read | undefined;
  readonly write: Write | undefined;
}

const same: ScalarConversion = { read: undefined, write: undefined };

const int32Max = 2 ** 31 - 1;
const int32Min = -(2 ** 31);

function unreadable(what: string): never {
  throw new GatewayError('UPSTREAM_ERROR', undefined, { cause: new Error(what) });
}

function refuse(what: string): never {
  throw new GatewayError('BAD_USER_INPUT', what);
}

/** `Int` holds 32 bits with a sign; a value outside is an error, never a wrapped number. */
function toInt(value: number): number {
  if (!Number.isInteger(value) || value > int32Max || value < int32Min) unreadable(`${value} does not fit Int`);
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

function finite(value: number): number {
  if (!Number.isFinite(value)) unreadable(`${value} has no JSON form`);
  return value;
}

/** Reads decimal text into 64 bits, refusing what does not fit. */
function textToLong(unsigned: boolean) {
  return (value: string | number): Long => {
    const text = String(value);
    if (!/^-?\d{1,20}$/.test(text)) refuse(`${JSON.stringify(value)} is not a whole number`);
    const number = BigInt(text);
    const [min, max] = unsigned ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
    if (number < min || number > max) {
      refuse(`${text} does not fit ${unsigned ? 'an unsigned' : 'a signed'} 64-bit number`);
    }
    return Long.fromString(number.toString(), unsigned);
  };
}

function textToInteger(min: number, max: number) {
  return (value: string | number): number => {
    const number = /^-?\d{1,10}(\.0+)?$/.test(String(value)) ? Number(value) : Number.NaN;
    if (!Number.isInteger(number) || number < min || number > max) {
      refuse(`${String(value)} does not fit ${min} to ${max}`);
    }
    return number;
  };
}

function bytesToBase64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

/** Both alphabets of RFC 4648 are read, padded or not. */
function base64ToBytes(value: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) refuse('bytes are given in base64');
  return Buffer.from(value, 'base64');
}

const int32 = {
  Int: same,
  Float: { read: undefined, write: textToInteger(int32Min, int32Max) },
  BigInt: { read: String, write: textToInteger(int32Min, int32Max) },
  String: { read: String, write: textToInteger(int32Min, int32Max) },
  ID: { read: String, write: textToInteger(int32Min, int32Max) },
};
const uint32 = {
  Int: { read: toInt, write: textToInteger(0, 2 ** 32 - 1) },
  Float: { read: undefined, write: textToInteger(0, 2 ** 32 - 1) },
  BigInt: { read: String, write: textToInteger(0, 2 ** 32 - 1) },
  String: { read: String, write: textToInteger(0, 2 ** 32 - 1) },
  ID: { read: String, write: textToInteger(0, 2 ** 32 - 1) },
};
const long = (unsigned: boolean): Record<string, ScalarConversion> => ({
  BigInt: { read: longToText, write: textToLong(unsigned) },
  String: { read: longToText, write: textToLong(unsigned) },
  ID: { read: longToText, write: textToLong(unsigned) },
  Int: { read: longToInt, write: textToLong(unsigned) },
  Float: { read: longToFloat, write: textToLong(unsigned) },
});
const float = { Float: { read: finite, write: undefined } };

/** What each scalar type of protobuf may be in GraphQL. */
const scalars: Readonly<Record<string, Readonly<Record<string, ScalarConversion>>>> = {
  string: { String: same, ID: same },
  bool: { Boolean: same },
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
  float,
  double: float,
  bytes: { String: { read: bytesToBase64, write: base64ToBytes }, ID: { read: bytesToBase64, write: base64ToBytes } },
};

/** How a scalar type goes out and comes in as JSON where the SDL gives it no type of its own. Undefined for what stays. */
export function naturalConversion(protoType: string): ScalarConversion | undefined {
  if (protoType === 'float' || protoType === 'double') {
    return { read: (value: number) => jsonNumber(value), write: undefined };
  }
  const { Float, BigInt: big, String: text } = scalars[protoType] ?? {};
  // Whole numbers of 32 bits stay numbers, those of 64 are text, bytes are base64.
  return protoType.includes('64') ? big : (Float ?? text);
}

/** ProtoJSON writes what JSON has no number for as text. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** GraphQL scalars that a field may have, the natural one first; undefined where it is not a scalar. */
export function scalarChoices(field: Field): readonly string[] | undefined {
  if (field.resolvedType instanceof Enum) return undefined;
  const conversions = field.resolvedType instanceof Type ? wellKnown(field.resolvedType) : scalars[field.type];
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
  const conversions = field.resolvedType instanceof Type ? wellKnown(field.resolvedType) : scalars[field.type];
  if (!conversions) return undefined;
  if (Object.hasOwn(conversions, graphqlName)) return conversions[graphqlName];
  // A scalar of the SDL's own, such as EmailAddress, is text or number with its own rules.
  return builtIn ? undefined : Object.values(conversions)[0];
}

interface TimestampMessage {
  readonly seconds: Long | number;
  readonly nanos: number;
}

function secondsOf({ seconds }: TimestampMessage): number {
  return typeof seconds === 'number' ? seconds : seconds.toNumber();
}

/** Digits behind the point, in groups of three as ProtoJSON has them. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  return `.${String(nanos)
    .padStart(9, '0')
    .replace(/(000){1,2}$/, '')}`;
}

/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, in seconds since the epoch (timestamp.proto). */
const timestampRange = { min: -62_135_596_800, max: 253_402_300_799 };

function timestampToText(value: TimestampMessage): string {
  const seconds = secondsOf(value);
  if (seconds < timestampRange.min || seconds > timestampRange.max || value.nanos < 0 || value.nanos > 999_999_999) {
    unreadable('a Timestamp is out of range');
  }
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}${fraction(value.nanos)}Z`;
}

function textToTimestamp(value: string): TimestampMessage {
  const milliseconds = Date.parse(value.replace(/\.\d+/, ''));
  if (Number.isNaN(milliseconds)) refuse('not a date and time');
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < timestampRange.min || seconds > timestampRange.max) refuse('the year must be from 0001 to 9999');
  const digits = /\.(\d{1,9})/.exec(value)?.[1] ?? '';
  return { seconds: Long.fromNumber(seconds), nanos: Number(digits.padEnd(9, '0')) };
}

function durationToText(value: TimestampMessage): string {
  const seconds = secondsOf(value);
  const sign = seconds < 0 || value.nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(seconds)}${fraction(Math.abs(value.nanos))}s`;
}

function textToDuration(value: string): TimestampMessage {
  const match = durationPattern.exec(value);
  if (!match) refuse('not a length of time');
  const sign = match[1] === '-' ? -1 : 1;
  const seconds = Number(match[2]);
  // duration.proto: about 10,000 years.
  if (seconds > 315_576_000_000) refuse('the length of time is over 10,000 years');
  // Adding zero keeps -0 away.
  return { seconds: Long.fromNumber(sign * seconds + 0), nanos: sign * Number((match[3] ?? '').padEnd(9, '0')) + 0 };
}

interface ValueMessage {
  readonly [kind: string]: unknown;
}

/** google.protobuf.Value to JSON. */
function valueToJson(value: ValueMessage): unknown {
  if (Object.hasOwn(value, 'number_value')) return finite(value['number_value'] as number);
  if (Object.hasOwn(value, 'string_value')) return value['string_value'];
  if (Object.hasOwn(value, 'bool_value')) return value['bool_value'];
  if (Object.hasOwn(value, 'struct_value')) return structToJson(value['struct_value'] as never);
  if (Object.hasOwn(value, 'list_value')) return listToJson(value['list_value'] as never);
  return null;
}

function structToJson(value: { readonly fields: Readonly<Record<string, ValueMessage>> }): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value.fields).map(([key, field]) => [key, valueToJson(field)]));
}

function listToJson(value: { readonly values: readonly ValueMessage[] }): unknown[] {
  return value.values.map(valueToJson);
}

/** Deeper JSON than this is refused: writing it would recurse as deep. */
const maxJsonDepth = 64;

function jsonToValue(json: unknown, depth = 0): ValueMessage {
  if (depth > maxJsonDepth) refuse(`JSON may be nested at most ${maxJsonDepth} levels deep`);
  if (json === null || json === undefined) return { null_value: 0 };
  if (typeof json === 'number') return { number_value: json };
  if (typeof json === 'string') return { string_value: json };
  if (typeof json === 'boolean') return { bool_value: json };
  if (Array.isArray(json)) return { list_value: { values: json.map((item) => jsonToValue(item, depth + 1)) } };
  return { struct_value: jsonToStruct(json, depth) };
}

function jsonToStruct(json: unknown, depth = 0): ValueMessage {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) refuse('a JSON object is needed');
  return {
    fields: Object.fromEntries(Object.entries(json).map(([key, value]) => [key, jsonToValue(value, depth + 1)])),
  };
}

function jsonToList(json: unknown): ValueMessage {
  if (!Array.isArray(json)) refuse('a JSON list is needed');
  return { values: json.map((item) => jsonToValue(item, 1)) };
}

const json = (read: Read, write: Write | undefined): Record<string, ScalarConversion> => ({ JSON: { read, write } });

/** A message that wraps one scalar, so that it can be unset. */
function wrapper(scalar: string): Record<string, ScalarConversion> {
  return Object.fromEntries(
    Object.entries(scalars[scalar] ?? {}).map(([name, { read, write }]) => [
      name,
      {
        read: ({ value }: { value: never }) => (read ? read(value) : value),
        write: (value: never) => ({ value: write ? write(value) : value }),
      },
    ]),
  );
}

/** Messages that are a value rather than an object, and what they may be in GraphQL. */
const wellKnownTypes: Readonly<Record<string, Readonly<Record<string, ScalarConversion>>>> = {
  'google.protobuf.Timestamp': {
    DateTime: { read: timestampToText, write: textToTimestamp },
    String: { read: timestampToText, write: textToTimestamp },
  },
  'google.protobuf.Duration': {
    Duration: { read: durationToText, write: textToDuration },
    String: { read: durationToText, write: textToDuration },
  },
  'google.protobuf.Empty': { Boolean: { read: () => true, write: (value: boolean) => (value ? {} : undefined) } },
  'google.protobuf.FieldMask': {
    String: {
      read: ({ paths }: { paths: readonly string[] }) => paths.join(','),
      write: (value: string) => ({ paths: value.split(',').filter((path) => path !== '') }),
    },
  },
  'google.protobuf.Struct': json(structToJson, (value: unknown) => jsonToStruct(value)),
  'google.protobuf.Value': json(valueToJson, (value: unknown) => jsonToValue(value)),
  'google.protobuf.ListValue': json(listToJson, jsonToList),
  'google.protobuf.DoubleValue': wrapper('double'),
  'google.protobuf.FloatValue': wrapper('float'),
  'google.protobuf.Int64Value': wrapper('int64'),
  'google.protobuf.UInt64Value': wrapper('uint64'),
  'google.protobuf.Int32Value': wrapper('int32'),
  'google.protobuf.UInt32Value': wrapper('uint32'),
  'google.protobuf.BoolValue': wrapper('bool'),
  'google.protobuf.StringValue': wrapper('string'),
  'google.protobuf.BytesValue': wrapper('bytes'),
};

/** How a whole message goes out as a scalar; undefined where it does not. A message without fields is as good as Empty. */
export function messageConversion(type: Type, graphqlName: string): ScalarConversion | undefined {
  const conversions =
    wellKnown(type) ?? (type.fieldsArray.length === 0 ? wellKnownTypes['google.protobuf.Empty'] : undefined);
  return conversions && Object.hasOwn(conversions, graphqlName) ? conversions[graphqlName] : undefined;
}

/** The scalars that a well-known message may be; undefined for a message that is an object. */
export function wellKnown(type: Type): Readonly<Record<string, ScalarConversion>> | undefined {
  const name = type.fullName.slice(1);
  return Object.hasOwn(wellKnownTypes, name) ? wellKnownTypes[name] : undefined;
}
