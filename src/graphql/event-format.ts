import type { EventFormat } from '../http/event-stream';

/*
 * GraphQL over SSE, in distinct connections mode: an event `next` for each result, and one `complete` at the end.
 *
 * See https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md
 */

const complete = 'event: complete\ndata:\n\n';

/** A line that clients skip (HTML, 9.2.6). A stream begins with it, since some browsers wait for more than headers. */
const comment = ':\n\n';

/** @param json - A result, as JSON. */
function next(json: string): string {
  return `event: next\ndata: ${json}\n\n`;
}

export const graphqlEvents: EventFormat = {
  opening: comment,
  heartbeat: comment,
  write: (result) => ({ text: next(JSON.stringify(result)), isLast: false }),
  closing: complete,
};

/** The whole of a stream that has one result. */
export function streamOfOne(json: string): string {
  return `${comment}${next(json)}${complete}`;
}
