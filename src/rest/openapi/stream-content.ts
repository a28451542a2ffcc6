import type { RestOperation } from '../rest-operation';
import type { JsonSchema } from './json-schema';

/**
 * The media types of a stream. OpenAPI 3.1 describes a body as a whole: lines of JSON are described by one of them, and server-sent
 * events are the same, written otherwise.
 *
 * @param data - What an event holds.
 * @param error - What the event holds that ends a stream with an error.
 */
export function streamContent({ members }: RestOperation, data: JsonSchema, error: JsonSchema): object {
  const id = { type: 'string', description: 'Names the event within its stream, and the stream.' };
  const event = (names: readonly string[], ofData: JsonSchema, required: readonly string[]): JsonSchema => ({
    type: 'object',
    properties: { event: { type: 'string', enum: names }, id, data: ofData },
    required: ['event', ...required],
  });
  const heartbeat = {
    type: 'object',
    properties: { event: { type: 'string', const: 'heartbeat' } },
    required: ['event'],
  };
  return {
    'text/event-stream': {
      schema: {
        type: 'string',
        description:
          'Events as application/x-ndjson has them: event, id, and JSON as data. "message" is an event without a name. Heartbeats are comments.',
      },
    },
    'application/x-ndjson': {
      schema: {
        description: 'One line. The last one is "done", or "error".',
        anyOf: [
          event(eventNames(data, members), data, ['id', 'data']),
          event(['done'], { type: 'object', additionalProperties: false }, ['data']),
          event(['error'], error, ['data']),
          heartbeat,
        ],
      },
    },
  };
}

/** How events are called: by the type that they are of, the member that they have, or not at all. */
function eventNames(data: JsonSchema, members: readonly string[]): string[] {
  const choices = (data['anyOf'] ?? [data]) as readonly JsonSchema[];
  const types = choices.flatMap(({ properties }) => {
    const { __typename: type } = (properties ?? {}) as { readonly __typename?: { readonly const: string } };
    return type ? [`${type.const.slice(0, 1).toLowerCase()}${type.const.slice(1)}`] : [];
  });
  return [...new Set([...types, ...members, 'message'])];
}
