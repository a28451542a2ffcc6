import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { RestOperation } from './rest-operation';

/** The last event that a client has of a stream. */
export interface LastEvent {
  /** Id of the request that the stream began with. */
  readonly stream: string;
  readonly number: number;
}

/** How a stream ended, in the id of its last event. */
export type StreamEnd = 'done' | 'failed';

/**
 * The id of an event.
 *
 * @param stream - Id of the request that the stream began with.
 * @param position - The number of the event, from 1, or how the stream ended.
 */
export function eventId(stream: string, position: number | StreamEnd): string {
  return `${stream}.${position}`;
}

const eventIdPattern = /^([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})\.(?:(\d{1,15})|(done|failed))$/;

/** Reads what {@link eventId} writes; undefined for anything else. */
function readEventId(text: string): LastEvent | StreamEnd | undefined {
  const [, stream, number, end] = eventIdPattern.exec(text) ?? [];
  if (stream === undefined) return undefined;
  return number === undefined ? (end as StreamEnd) : { stream, number: Number(number) };
}

/** Query parameter with the id of the last event that a client has. */
export const afterParameter = 'after';

/** Whether the route of an operation takes the parameter `after`: for a stream without a variable of that name. */
export function takesAfter({ isStream, pathVariables, queryVariables }: RestOperation): boolean {
  return isStream && ![...pathVariables, ...queryVariables].some(({ name }) => name === afterParameter);
}

/**
 * The event that a client has last; `done` where it has all of a stream that came to its end; undefined where it asks for a new
 * stream, as it does after one that failed.
 */
type Resumption = LastEvent | 'done' | undefined;

/**
 * Reads where a client wants to go on: by `Last-Event-ID` (HTML, 9.2.4), which EventSource sends by itself, or by the parameter
 * `after`.
 *
 * @param canResume - Whether the gateway keeps streams. If not, `Last-Event-ID` is ignored unless it says `done`.
 * @throws GatewayError BAD_USER_INPUT for what is no id of an event, CONFLICT for `after` where no streams are kept
 */
export function lastEventReader(operation: RestOperation, canResume: boolean): (exchange: Exchange) => Resumption {
  const readsAfter = takesAfter(operation);
  return ({ headers, query }) => {
    const header = headers['last-event-id'];
    // EventSource comes back with the URL that it began with, and with a header that is newer.
    if (header !== undefined) return fromHeader(String(header), canResume);
    return readsAfter && query !== '' ? fromQuery(query, canResume) : undefined;
  };
}

function fromHeader(text: string, canResume: boolean): Resumption {
  if (text === '') return undefined;
  const last = readEventId(text);
  if (last === 'done') return last;
  // Browsers send it whether the gateway keeps streams or not.
  if (!canResume) return undefined;
  if (!last) throw notAnId('The header "Last-Event-ID"');
  return last === 'failed' ? undefined : last;
}

function fromQuery(query: string, canResume: boolean): Resumption {
  const given = new URLSearchParams(query).getAll(afterParameter);
  const [text] = given;
  if (text === undefined || (text === '' && given.length === 1)) return undefined;
  const last = given.length === 1 ? readEventId(text) : undefined;
  if (!last) throw notAnId(`The parameter "${afterParameter}"`);
  if (last === 'done') return last;
  if (last === 'failed') return undefined;
  if (!canResume) {
    throw new GatewayError('CONFLICT', 'Streams cannot go on here: STREAM_REPLAY is off. Begin a new one.');
  }
  return last;
}

function notAnId(what: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', `${what} is not the id of an event.`);
}
