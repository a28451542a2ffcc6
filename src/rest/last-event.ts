import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import type { RestOperation } from './rest-operation';

/** The last event that a client has of a stream. */
export interface LastEvent {
  /** Id of the request that the stream began with. */
  readonly stream: string;
  readonly number: number;
}

/** Id of an event: the id of its stream, and its number or how the stream ended. */
const eventId = /^([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})\.(?:(\d{1,15})|(done)|failed)$/;

/** Query parameter with the id of the last event that a client has. */
export const afterParameter = 'after';

/** True where the query parameter `after` is none of the operation's own. */
export function takesAfter({ isStream, pathVariables, queryVariables }: RestOperation): boolean {
  return isStream && ![...pathVariables, ...queryVariables].some(({ name }) => name === afterParameter);
}

/**
 * Reads which event of an earlier stream its client has last: `Last-Event-ID` (HTML, 9.2.4), which EventSource sends by itself, or
 * the parameter `after`. `done` where it has all of a stream that came to its end; undefined where a new stream is asked for, as it
 * is after one that failed.
 *
 * @param canResume - Whether streams can go on here at all. Where not, `Last-Event-ID` is ignored but for `done`: browsers send it
 * whether somebody can do anything with it or not.
 * @throws GatewayError BAD_USER_INPUT for what is no id of an event, CONFLICT for `after` where streams cannot go on
 */
export function lastEventReader(
  operation: RestOperation,
  canResume: boolean,
): (exchange: Exchange) => LastEvent | 'done' | undefined {
  const readsAfter = takesAfter(operation);
  return ({ headers, query }) => {
    const header = headers['last-event-id'];
    // EventSource comes back with the URL that it began with, and with a header that is newer.
    const fromQuery = header === undefined && readsAfter && query !== '';
    const after = fromQuery ? new URLSearchParams(query).getAll(afterParameter) : [];
    const text = header ?? after[0] ?? '';
    if (text === '' && after.length < 2) return undefined;
    const [, stream, number, done] = (typeof text === 'string' && after.length < 2 && eventId.exec(text)) || [];
    if (done !== undefined) return 'done';
    if (!canResume && header !== undefined) return undefined;
    if (stream === undefined) {
      const name = header === undefined ? `The parameter "${afterParameter}"` : 'The header "Last-Event-ID"';
      throw new GatewayError('BAD_USER_INPUT', `${name} is not the id of an event.`);
    }
    if (number === undefined) return undefined;
    if (!canResume) {
      throw new GatewayError('CONFLICT', 'Streams cannot go on here: STREAM_REPLAY is off. Begin a new one.');
    }
    return { stream, number: Number(number) };
  };
}
