import { GatewayError } from '../errors';
import { eventHeaders, jsonHeaders } from '../http/exchange';

/** How a client wants to be answered. */
export interface Accepted {
  /** Headers of an answer that is one result. */
  readonly headers: Readonly<Record<string, string>>;
  /** True where even one result is written as an event stream, since the client takes nothing else. */
  readonly onlyEvents: boolean;
  /** True where the client takes a subscription's answer. */
  readonly events: boolean;
  /**
   * True for a client that asks for application/json by name, and not for the newer type: it reads 200 where its document or
   * variables are wrong, as GraphQL over HTTP has it for that media type ("application/json", 6.4.1).
   */
  readonly legacy: boolean;
}

const graphqlHeaders = { ...jsonHeaders, 'content-type': 'application/graphql-response+json; charset=utf-8' };

/** What the types that are served ask for, where an answer is one result. Undefined for those of event streams. */
const headersOf = new Map<string, Accepted['headers'] | undefined>([
  ['application/json', jsonHeaders],
  ['application/*', jsonHeaders],
  ['*/*', jsonHeaders],
  ['application/graphql-response+json', graphqlHeaders],
  ['text/event-stream', undefined],
  ['text/*', undefined],
]);

/** For whoever asks for nothing in particular, or for what there is not. */
export const anything = readAccept('*/*');

/** Clients send the same few values over and over. Those that differ each time find the map emptied now and then. */
const known = new Map<string, Accepted>();
const maxKnown = 100;
/** Characters of a value that is kept. */
const maxKnownLength = 200;

/**
 * Reads Accept (RFC 9110, 12.5.1): of the types that are served, the one named first. Weights are not looked at.
 *
 * @throws GatewayError NOT_ACCEPTABLE where it allows none of them
 */
export function negotiate(accept: string | undefined): Accepted {
  if (accept === undefined) return anything;
  const remembered = known.get(accept);
  if (remembered) return remembered;
  const read = accept.trim() === '' ? anything : readAccept(accept);
  if (accept.length <= maxKnownLength) {
    if (known.size >= maxKnown) known.clear();
    known.set(accept, read);
  }
  return read;
}

function readAccept(accept: string): Accepted {
  const types = accept
    .split(',')
    .map(typeOf)
    .filter((type) => headersOf.has(type));
  if (types.length === 0) {
    throw new GatewayError(
      'NOT_ACCEPTABLE',
      'Accept must allow application/graphql-response+json, application/json or, for subscriptions, text/event-stream.',
    );
  }
  const headers = types.map((type) => headersOf.get(type)).find((each) => each !== undefined);
  return {
    headers: headers ?? eventHeaders,
    onlyEvents: headers === undefined,
    events: types.some((type) => type === '*/*' || headersOf.get(type) === undefined),
    legacy: types.includes('application/json') && !types.includes('application/graphql-response+json'),
  };
}

/** The type of a media range, in lower case; nothing for another charset than the one that is written. */
function typeOf(range: string): string {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const isOther = parameters.some((each) => /^charset\s*=/.test(each) && !/^charset\s*=\s*"?utf-8"?$/.test(each));
  return isOther ? '' : type;
}
