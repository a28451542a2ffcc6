import { errorEnvelope } from '../http/error-reply';
import type { EventFormat } from '../http/event-stream';
import type { Exchange } from '../http/exchange';
import { errorsOf, type PresentedResult } from '../pipeline/present';
import { shapeAnswer } from './answer-shape';
import { gravest } from './gravest';
import type { RestOperation } from './rest-operation';

/** One event of a stream, before it is written. */
interface StreamEvent {
  /** `message` for an event without a name of its own, as browsers call it (HTML, 9.2.6). */
  readonly name: string;
  /** Names the event within its stream, and the stream; undefined for the last one. */
  readonly id?: string;
  readonly data: unknown;
}

/** How events are written in a form. */
interface StreamForm {
  readonly opening: string;
  readonly heartbeat: string;
  readonly write: (event: StreamEvent) => string;
}

/** Server-sent events (HTML, 9.2). */
const sse: StreamForm = {
  // Some browsers wait for more than headers.
  opening: ':\n\n',
  heartbeat: ':\n\n',
  write({ name, id, data }) {
    const lines = [...(id === undefined ? [] : [`id: ${id}`]), ...(name === 'message' ? [] : [`event: ${name}`])];
    return [...lines, `data: ${JSON.stringify(data)}`, '', ''].join('\n');
  },
};

/** The same as lines of JSON. */
const ndjson: StreamForm = {
  opening: '',
  heartbeat: '{"event":"heartbeat"}\n',
  write: ({ name, id, data }) => `${JSON.stringify({ event: name, id, data })}\n`,
};

/** Writes the results of an operation's stream: an event for each, then `done`; or `error`, which ends it. */
export function streamFormat(operation: RestOperation, exchange: Exchange, form: 'sse' | 'ndjson'): EventFormat {
  const { rootKey, shape } = operation;
  const { opening, heartbeat, write } = form === 'sse' ? sse : ndjson;
  let count = 0;
  return {
    opening,
    heartbeat,
    write(result) {
      const { data, errors } = result as PresentedResult;
      if (errors?.length) {
        const error = gravest(errorsOf({ errors }));
        return { text: write({ name: 'error', data: errorEnvelope(error, exchange) }), isLast: true };
      }
      const value = shapeAnswer(data?.[rootKey], shape);
      count += 1;
      return {
        text: write({ name: nameOf(value, operation), id: `${exchange.id}.${count}`, data: value }),
        isLast: false,
      };
    },
    closing: write({ name: 'done', data: {} }),
  };
}

/** The member of a oneof that is set, the type of a union, or `message`. */
function nameOf(value: unknown, { members }: RestOperation): string {
  if (typeof value !== 'object' || value === null) return 'message';
  const { __typename: type } = value as { readonly __typename?: unknown };
  if (typeof type === 'string') return `${type.slice(0, 1).toLowerCase()}${type.slice(1)}`;
  return members.find((member) => Object.hasOwn(value, member)) ?? 'message';
}
