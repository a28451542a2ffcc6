/** Runs in a page: GraphQL clients as an application on an origin of its own sets them up, with the session cookie. */
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, Observable } from '@apollo/client/core';
import { Client, fetchExchange } from '@urql/core';
import { print } from 'graphql';
import { createClient, type Client as SseClient } from 'graphql-sse';

const query = '{ me { id displayName } }';
const mutation = 'mutation ($name: String!) { updateMe(input: { displayName: $name }) { id displayName } }';
const subscription = 'subscription { askStream(input: { query: "count to 3" }) { textDelta } }';
/** One field of it is answered, so that it is a result in part. */
const refused = '{ me { id } users(first: 1) { nodes { id } } }';

/** What a client gave its application. */
export interface Outcome {
  readonly query: unknown;
  readonly mutation: unknown;
  /** The texts of the events of a stream, put together. */
  readonly streamed: string;
  /** The code of the error of a field that the user may not see. */
  readonly refused: unknown;
}

/** With a header that no form can send. */
const headers = { 'x-csrf': '1' };

const sseClient = (url: string): SseClient => createClient({ url, credentials: 'include', headers, retryAttempts: 0 });

interface Event {
  readonly data?: { readonly askStream?: { readonly textDelta?: string | null } } | null | undefined;
}
const textOf = ({ data }: Event): string => data?.askStream?.textDelta ?? '';

interface Failed {
  readonly errors?: readonly { readonly extensions?: Readonly<Record<string, unknown>> | undefined }[] | undefined;
}
const codeOf = ({ errors }: Failed): unknown => errors?.[0]?.extensions?.['code'];

export async function apollo(url: string): Promise<Outcome> {
  const sse = sseClient(url);
  const streams = new ApolloLink(
    ({ query: document, variables }) =>
      new Observable((sink) =>
        sse.subscribe(
          { query: print(document), variables },
          {
            next: (value) => sink.next(value as never),
            error: (error) => sink.error(error),
            complete: () => sink.complete(),
          },
        ),
      ),
  );
  const http = new HttpLink({ uri: url, credentials: 'include', headers });
  const link = ApolloLink.split(
    ({ query: { definitions } }) =>
      definitions.some((each) => 'operation' in each && each.operation === 'subscription'),
    streams,
    http,
  );
  const client = new ApolloClient({
    link,
    cache: new InMemoryCache(),
    defaultOptions: { query: { errorPolicy: 'all' } },
  });
  const read = await client.query<unknown>({ query: gql(query) });
  const written = await client.mutate<unknown>({ mutation: gql(mutation), variables: { name: 'Mel by Apollo' } });
  const streamed = await new Promise<string>((resolve, reject) => {
    let text = '';
    client.subscribe({ query: gql(subscription) }).subscribe({
      next: (event) => (text += textOf(event)),
      error: reject,
      complete: () => resolve(text),
    });
  });
  const failed = await client.query<unknown>({ query: gql(refused), fetchPolicy: 'no-cache' });
  return { query: read.data, mutation: written.data, streamed, refused: codeOf(failed) };
}

/** Its own fetch carries subscriptions too. */
export async function urql(url: string): Promise<Outcome> {
  const client = new Client({
    url,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    preferGetMethod: false,
    fetchOptions: { credentials: 'include', headers },
  });
  const read = await client.query<unknown>(query, {}).toPromise();
  const written = await client.mutation<unknown>(mutation, { name: 'Mel by urql' }).toPromise();
  const streamed = await new Promise<string>((resolve, reject) => {
    let text = '';
    const running = client.subscription<NonNullable<Event['data']>>(subscription, {}).subscribe((result) => {
      if (result.error) reject(result.error);
      text += textOf(result);
      if (!result.hasNext) {
        resolve(text);
        queueMicrotask(() => running.unsubscribe());
      }
    });
  });
  const failed = await client.query<unknown>(refused, {}).toPromise();
  return {
    query: read.data,
    mutation: written.data,
    streamed,
    refused: codeOf({ errors: failed.error?.graphQLErrors }),
  };
}

/** By the client of the protocol alone. */
export async function graphqlSse(url: string): Promise<Outcome> {
  const client = sseClient(url);
  const first = async (document: string, variables: Record<string, unknown> = {}) => {
    for await (const result of client.iterate({ query: document, variables })) return result;
    throw new Error('the stream ended without a result');
  };
  const read = await first(query);
  const written = await first(mutation, { name: 'Mel by graphql-sse' });
  let streamed = '';
  for await (const event of client.iterate({ query: subscription })) streamed += textOf(event);
  const failed = await first(refused);
  return { query: read.data, mutation: written.data, streamed, refused: codeOf(failed) };
}
