import { oneOfKeyword } from './answer-schema';
import type { SchemaComponents } from './components';
import type { JsonSchema } from './json-schema';

/** An id of a request, in examples. */
export const exampleRequestId = '00000000-0000-4000-8000-000000000000';

export interface ExampleOptions {
  readonly components: SchemaComponents;
  /** The member of a oneof that is set; the first one where it is left out, or not among them. */
  readonly member?: string | undefined;
}

/** Makes a value that a schema allows: the same each time, with everything that may be null or left out. */
export function exampleOf(schema: JsonSchema, options: ExampleOptions): unknown {
  return make(schema, { ...options, name: 'value', within: [] });
}

interface Place extends ExampleOptions {
  /** Of the property that holds the value, or the list that it is in. */
  readonly name: string;
  /** The references that lead here: an input type may hold itself. */
  readonly within: readonly string[];
}

function make(schema: JsonSchema, place: Place): unknown {
  const { $ref, const: only, default: usual, examples, enum: values, anyOf, type, format, description } = schema;
  if (typeof $ref === 'string') {
    return make(place.components.resolve(schema), { ...place, within: [...place.within, $ref] });
  }
  if (only !== undefined) return only;
  if (usual !== undefined) return usual;
  for (const given of [examples, values] as unknown[]) if (Array.isArray(given)) return given[0];
  if (Array.isArray(anyOf)) return make(firstOf(anyOf as JsonSchema[]), place);
  switch ([type].flat()[0]) {
    case 'object':
      return makeObject(schema, place);
    case 'array':
      return makeList(schema, place);
    case 'integer':
      return schema['minimum'] ?? 1;
    case 'number':
      return 1.5;
    case 'boolean':
      return true;
    default:
      return format === 'date-time' ? '2026-01-02T03:04:05Z' : textFor(place.name, description);
  }
}

function firstOf(schemas: readonly JsonSchema[]): JsonSchema {
  return schemas.find(({ type }) => type !== 'null') ?? {};
}

function makeObject(schema: JsonSchema, place: Place): object {
  const {
    properties = {},
    required = [],
    [oneOfKeyword]: groups = [],
  } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
    readonly [oneOfKeyword]?: readonly (readonly string[])[];
  };
  const unset = new Set(groups.flatMap((group) => group.filter((key) => key !== setOf(group, place))));
  const isLeftOut = (key: string, value: JsonSchema) =>
    unset.has(key) || (!required.includes(key) && leadsBack(value, place));
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([key, value]) => !isLeftOut(key, value))
      .map(([key, value]) => [key, make(value, { ...place, name: key })]),
  );
}

/** The member of a oneof that an example has. */
function setOf(group: readonly string[], { member }: Place): string | undefined {
  return group.find((key) => key === member) ?? group[0];
}

function makeList({ items, description }: JsonSchema, place: Place): unknown[] {
  const item = items as JsonSchema;
  return leadsBack(item, place)
    ? []
    : [make({ description, ...item }, { ...place, name: place.name.replace(/s$/, '') })];
}

/** Whether a schema refers to one that it is in. */
function leadsBack({ $ref, anyOf = [], items }: JsonSchema, place: Place): boolean {
  if (typeof $ref === 'string') return place.within.includes($ref);
  return [...(anyOf as JsonSchema[]), ...(items ? [items as JsonSchema] : [])].some((each) => leadsBack(each, place));
}

/** What a description gives as an example, or else what the name suggests. */
function textFor(name: string, description: unknown): string {
  const [, , quoted, word] = /\bsuch as (?:([`"'])(.+?)\1|([^\s,;]+))/i.exec(String(description)) ?? [];
  const given = quoted ?? word?.replace(/[.:]$/, '');
  if (given !== undefined) return given;
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
  if (/\be ?mail\b/.test(words)) return 'someone@example.com';
  if (/\bur[il]\b/.test(words)) return 'https://example.com/';
  const [, owner] = /^(.+) ids?$/.exec(words) ?? [];
  return owner === undefined ? words : `${owner.replaceAll(' ', '-')}-1`;
}
