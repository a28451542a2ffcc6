import type { ErrorCode } from '../errors';
import { errorEnvelope } from '../http/error-reply';
import type { EventFormat } from '../http/event-stream';
import type { Exchange } from '../http/exchange';
import { errorsOf, type PresentedResult } from '../pipeline/present';
import { shapeAnswer } from './answer-shape';
import { gravest } from './gravest';
import { eventId, type StreamEnd } from './last-event';
import type { RestOperation } from './rest-operation';

/** One event of a stream. */
export interface StreamEvent {
  /** `message` for an event without a name of its own, as browsers call it (HTML, 9.2.6). */
  readonly name: string;
  /** As {@link eventId} writes it. */
  readonly id: string;
  /** JSON. */
  readonly data: string;
  /** True for the one that ends the stream. */
  readonly isLast: boolean;
  /** Of an error, which has ended it: its code in logs. */
  readonly code?: ErrorCode;
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
  write: ({ name, id, data }) => `id: ${id}\n${name === 'message' ? '' : `event: ${name}\n`}data: ${data}\n\n`,
};

/** The same as lines of JSON. */
const ndjson: StreamForm = {
  opening: '',
  heartbeat: '{"event":"heartbeat"}\n',
  write: ({ name, id, data }) => `{"event":${JSON.stringify(name)},"id":"${id}","data":${data}}\n`,
};

/** Writes {@link StreamEvent}s. */
export function eventFormat(form: 'sse' | 'ndjson'): EventFormat {
  const { opening, heartbeat, write } = form === 'sse' ? sse : ndjson;
  return {
    opening,
    heartbeat,
    write(event) {
      const { isLast } = event as StreamEvent;
      return { text: write(event as StreamEvent), isLast };
    },
    closing: '',
  };
}

/** The results of an operation's stream as events: one for each, then `done`; or `error`, which ends it. */
export function eventsOf(
  results: AsyncIterable<PresentedResult>,
  operation: RestOperation,
  exchange: Exchange,
): AsyncIterableIterator<StreamEvent, undefined> {
  const iterator = results[Symbol.asyncIterator]();
  let count = 0;
  let isOver = false;

  function last(end: StreamEnd, event: Pick<StreamEvent, 'name' | 'data' | 'code'>): IteratorYieldResult<StreamEvent> {
    isOver = true;
    return { done: false, value: { ...event, id: eventId(exchange.id, end), isLast: true } };
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (isOver) return { done: true, value: undefined };
      const result = await iterator.next();
      if (result.done) return last('done', { name: 'done', data: '{}' });
      const { data, errors } = result.value;
      if (errors?.length) {
        const error = gravest(errorsOf({ errors }));
        const envelope = JSON.stringify(errorEnvelope(error, exchange));
        return last('failed', { name: 'error', data: envelope, code: error.countedAs });
      }
      const value = shapeAnswer(data?.[operation.rootKey], operation.shape);
      count += 1;
      const id = eventId(exchange.id, count);
      // Undefined is no JSON.
      const event = { name: nameOf(value, operation), id, data: JSON.stringify(value ?? null), isLast: false };
      return { done: false, value: event };
    },
    async return() {
      isOver = true;
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  };
}

/** The member of a oneof that is set, the type of a union, or `message`. */
function nameOf(value: unknown, { members }: RestOperation): string {
  if (typeof value !== 'object' || value === null) return 'message';
  const { __typename: type } = value as { readonly __typename?: unknown };
  if (typeof type === 'string') return eventNameOfType(type);
  return members.find((member) => Object.hasOwn(value, member)) ?? 'message';
}

/** The name of the events of one type of a union that selects `__typename`. */
export function eventNameOfType(type: string): string {
  return `${type.slice(0, 1).toLowerCase()}${type.slice(1)}`;
}
