import { deepest } from './proto-model';
import { rejectValue, unreadable } from './value-error';

/** google.protobuf.Value: one of its fields is set. */
export type ValueMessage = Readonly<Record<string, unknown>>;

export interface StructMessage {
  readonly fields: Readonly<Record<string, ValueMessage>>;
}

export interface ListMessage {
  readonly values: readonly ValueMessage[];
}

export function valueToJson(value: ValueMessage): unknown {
  if (Object.hasOwn(value, 'number_value')) return finite(value['number_value'] as number);
  if (Object.hasOwn(value, 'string_value')) return value['string_value'];
  if (Object.hasOwn(value, 'bool_value')) return value['bool_value'];
  if (Object.hasOwn(value, 'struct_value')) return structToJson(value['struct_value'] as StructMessage);
  if (Object.hasOwn(value, 'list_value')) return listToJson(value['list_value'] as ListMessage);
  return null;
}

export function structToJson({ fields }: StructMessage): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, valueToJson(value)]));
}

export function listToJson({ values }: ListMessage): unknown[] {
  return values.map(valueToJson);
}

/** Refuses numbers that JSON cannot write. */
export function finite(value: number): number {
  if (!Number.isFinite(value)) unreadable('a number that is not finite has no JSON form');
  return value;
}

/**
 * @param depth - How many messages enclose the new one.
 * @throws ValueError
 */
export function jsonToValue(json: unknown, depth: number): ValueMessage {
  if (depth > deepest) rejectValue('is nested too deeply');
  if (json === null || json === undefined) return { null_value: 0 };
  // JSON.parse reads 1e999 as Infinity.
  if (typeof json === 'number') return Number.isFinite(json) ? { number_value: json } : rejectValue('is too large');
  if (typeof json === 'string') return { string_value: wellFormed(json) };
  if (typeof json === 'boolean') return { bool_value: json };
  if (Array.isArray(json)) return { list_value: jsonToList(json, depth + 1) };
  return { struct_value: jsonToStruct(json, depth + 1) };
}

/** As {@link jsonToValue}. */
export function jsonToStruct(json: unknown, depth: number): StructMessage {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return rejectValue('is not a JSON object');
  return {
    fields: Object.fromEntries(
      Object.entries(json).map(([key, value]) => [wellFormed(key), jsonToValue(value, depth + 1)]),
    ),
  };
}

/** As {@link jsonToValue}. */
export function jsonToList(json: unknown, depth: number): ListMessage {
  if (!Array.isArray(json)) return rejectValue('is not a JSON list');
  return { values: json.map((item) => jsonToValue(item, depth + 1)) };
}

/**
 * Text that UTF-8 can encode: a lone surrogate becomes the replacement character, as in browsers (WHATWG Infra, "scalar
 * value string"). Upstreams refuse messages with anything else.
 *
 * @throws ValueError for what is not text
 */
export function wellFormed(text: unknown): string {
  return typeof text === 'string' ? text.replace(/\p{Surrogate}/gu, '\ufffd') : rejectValue('is not text');
}
