import { eventId } from '../last-event';
import type { RestOperation } from '../rest-operation';
import { eventFormat, eventNameOfType } from '../stream-format';
import { reference, type SchemaComponents } from './components';
import { exampleOf, exampleRequestId } from './example';
import type { JsonSchema } from './json-schema';
import type { MediaTypeObject } from './objects';

/** An event as it may come. */
interface EventExample {
  readonly event: string;
  readonly data: unknown;
}

/**
 * The content of an answer that is a stream, in the two forms that it may have.
 *
 * @param schema - Of what an event holds.
 */
export function streamContent(
  schema: JsonSchema,
  { members }: RestOperation,
  components: SchemaComponents,
): Record<string, MediaTypeObject> {
  const kinds = kindsOf(schema, members, components);
  const events = kinds.map(({ event }) => event);
  // An event in which no member is set has no name of its own.
  const isOpen = events.some((event) => members.includes(event)) || alternatives(schema).some(isNull);
  const names = [...new Set([...events, ...(isOpen ? ['message'] : [])])];
  const examples = [
    ...kinds.map(({ event, data }, index) => ({ event, id: eventId(exampleRequestId, index + 1), data })),
    { event: 'done', id: eventId(exampleRequestId, 'done'), data: {} },
  ];
  const list = names.map((name) => `\`${name}\``).join(', ');
  const ends = `The last is \`done\`, or \`error\` with the body that an error of REST has.`;
  return {
    'text/event-stream': {
      schema: {
        type: 'string',
        description: `Server-sent events: ${list}. Their data is JSON. ${ends} Comments come while there is nothing to send.`,
      },
      example: examples.map(asServerSent).join(''),
    },
    'application/x-ndjson': {
      schema: { description: `One line. ${ends}`, anyOf: linesOf(schema, names) },
      examples: Object.fromEntries(examples.map((value) => [value.event, { value }])),
    },
  };
}

/** The events that carry a result, each with an example: one for each type of a union, or each member of a oneof. */
function kindsOf(schema: JsonSchema, members: readonly string[], components: SchemaComponents): EventExample[] {
  return alternatives(schema).flatMap((each) => {
    if (isNull(each)) return [];
    const data = exampleOf(each, { components });
    const { properties = {} } = components.resolve(each);
    const own = members.filter((member) => Object.hasOwn(properties as object, member));
    const event = eventOfType(data);
    if (event !== undefined || own.length === 0) return [{ event: event ?? 'message', data }];
    return own.map((member) => ({ event: member, data: exampleOf(each, { components, member }) }));
  });
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return (schema['anyOf'] as readonly JsonSchema[] | undefined) ?? [schema];
}

const isNull = ({ type }: JsonSchema): boolean => type === 'null';

function eventOfType(data: unknown): string | undefined {
  const { __typename: type } = (data ?? {}) as { readonly __typename?: string };
  return type && eventNameOfType(type);
}

const sse = eventFormat('sse');

function asServerSent({ event, id, data }: EventExample & { readonly id: string }): string {
  return sse.write({ name: event, id, data: JSON.stringify(data), isLast: event === 'done' }).text;
}

function linesOf(data: JsonSchema, names: readonly string[]): JsonSchema[] {
  const line = (event: JsonSchema, more: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
    type: 'object',
    properties: { event, ...more },
    required: ['event', ...Object.keys(more)],
  });
  return [
    line({ type: 'string', enum: names }, { id: { type: 'string' }, data }),
    line({ type: 'string', const: 'done' }, { id: { type: 'string' }, data: { type: 'object' } }),
    line({ type: 'string', const: 'error' }, { id: { type: 'string' }, data: reference('Error') }),
    line({ type: 'string', const: 'heartbeat', description: 'Comes while there is nothing to send.' }, {}),
  ];
}
