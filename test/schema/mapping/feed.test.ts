import { EventEmitter, once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { parse } from 'protobufjs';
import { RpcError } from '../../upstreams/rpc-error';
import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('feed', { answers: { 'Feed.ListItems': () => ({}), 'Feed.ListMany': () => ({}) } });
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

/** Sends so many events; all that anybody waits for where it is not said how many. */
function watch(make: (number: number) => object = (number) => ({ number })): void {
  lab.upstreams.answer('Feed.Watch', async function* ({ count = Infinity }: { count?: number }) {
    for (let number = 1; number <= count; number++) yield make(number);
  });
}

describe('a stream behind a list', () => {
  test('is collected, in order', async () => {
    watch((number) => ({ number, text: `e${number}`, ...(number === 2 ? { removed_id: 'r' } : {}) }));
    expect(
      await lab.data('{ events(count: 3, topic: "t") { number text item { id } added { id } removedId } }'),
    ).toEqual({
      events: [
        { number: '1', text: 'e1', item: null, added: null, removedId: null },
        { number: '2', text: 'e2', item: null, added: null, removedId: 'r' },
        { number: '3', text: 'e3', item: null, added: null, removedId: null },
      ],
    });
    expect(lab.upstreams.request('Feed.Watch')).toEqual({ topic: 't', count: 3 });
  });

  test('of nothing is empty', async () => {
    watch();
    expect(await lab.data('{ events(count: 0) { number } }')).toEqual({ events: [] });
  });

  test('is left at the cap, and the upstream’s call is cancelled', async () => {
    watch();
    const { events } = await lab.data('{ events { number } }');
    expect(events.map(({ number }: { number: string }) => number)).toEqual(['1', '2', '3', '4', '5']);
    await lab.upstreams.control.waitForCall('Feed.Watch', ({ cancelled }) => cancelled);
  });

  test('that ends right at the cap is whole', async () => {
    watch();
    const { events } = await lab.data('{ events(count: 5) { number } }');
    expect(events).toHaveLength(5);
  });

  test('has a cap of a thousand where the SDL says none', async () => {
    watch();
    const { eventNumbers } = await lab.data('{ eventNumbers }');
    expect(eventNumbers).toHaveLength(1000);
    expect(eventNumbers.at(-1)).toBe('1000');
    await lab.upstreams.control.waitForCall('Feed.Watch', ({ cancelled }) => cancelled);
  });

  test('can be of parts of the messages; one that cannot be shown is an error of its place', async () => {
    watch((number) => ({
      number: number === 2 ? '2147483648' : number,
      ...(number === 1 ? {} : { item: { name: `n${number}` } }),
      ...(number === 3 ? { removed_id: 'r' } : { added: { id: `i${number}` } }),
    }));
    const { data, errors } = await lab.graphql(`{
      eventNumbersAsInt eventItemNames eventBodies { __typename ... on Item { id } ... on Removed { id } }
    }`);
    expect(data).toEqual({
      eventNumbersAsInt: [1, null, 3],
      eventItemNames: [null, 'n2', 'n3'],
      eventBodies: [
        { __typename: 'Item', id: 'i1' },
        { __typename: 'Item', id: 'i2' },
        { __typename: 'Removed', id: 'r' },
      ],
    });
    expect(errors).toMatchObject([{ path: ['eventNumbersAsInt', 1], extensions: { code: 'UPSTREAM_ERROR' } }]);
  });

  test('that fails halfway is an error, not half a list', async () => {
    watch();
    lab.upstreams.control.setFault({ method: 'Feed.Watch', code: status.UNAVAILABLE, failAfter: 2 });
    const { data, errors } = await lab.graphql('{ eventNumbers(count: 4) items { totalCount } }');
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ path: ['eventNumbers'], extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
  });
});

describe('a stream behind a subscription', () => {
  test('is its events, as they come', async () => {
    watch();
    const events: unknown[] = [];
    for await (const { data } of lab.subscribe('subscription { watch(count: 3) { number } }')) events.push(data);
    expect(events).toEqual([1, 2, 3].map((number) => ({ watch: { number: String(number) } })));
    const numbers: unknown[] = [];
    for await (const { data } of lab.subscribe('subscription { watchNumbers(count: 2) }')) numbers.push(data);
    expect(numbers).toEqual([{ watchNumbers: '1' }, { watchNumbers: '2' }]);
  });

  test('each event comes before the next is made', async () => {
    const made: number[] = [];
    const reader = new EventEmitter();
    lab.upstreams.answer('Feed.Watch', async function* () {
      for (let number = 1; number <= 3; number++) {
        made.push(number);
        const seen = once(reader, 'seen');
        yield { number };
        await seen;
      }
    });
    let events = 0;
    for await (const { data } of lab.subscribe('subscription { watch { number } }')) {
      events++;
      expect(data).toEqual({ watch: { number: String(events) } });
      expect(made).toHaveLength(events);
      reader.emit('seen');
    }
    expect(events).toBe(3);
  });

  test('is cancelled when its reader leaves', async () => {
    watch();
    lab.upstreams.answer('Feed.Watch', async function* (_, { signal }) {
      yield { number: 1 };
      await once(signal, 'abort');
    });
    for await (const { data } of lab.subscribe('subscription { watch { number } }')) {
      expect(data).toEqual({ watch: { number: '1' } });
      break;
    }
    await lab.upstreams.control.waitForCall('Feed.Watch', ({ cancelled }) => cancelled);
  });

  test('ends with an event that says why, where it fails', async () => {
    watch();
    lab.upstreams.control.setFault({
      method: 'Feed.Watch',
      code: status.NOT_FOUND,
      message: 'no such topic',
      failAfter: 1,
    });
    const events: unknown[] = [];
    for await (const event of lab.subscribe('subscription { watch { number } }')) events.push(event);
    expect(events).toMatchObject([
      { data: { watch: { number: '1' } } },
      { errors: [{ message: 'no such topic', extensions: { code: 'NOT_FOUND' } }] },
    ]);
  });
});

describe('pages', () => {
  const all = Array.from({ length: 7 }, (_, index) => ({ id: `i${index}`, name: '' }));
  const listed = (list: readonly object[], { page_size: size = 0, page_token: token = '0' }) => {
    const end = Number(token) + size;
    return { page: list.slice(Number(token), end), next: end < list.length ? String(end) : '' };
  };
  beforeEach(() => {
    lab.upstreams.answer('Feed.ListItems', (request) => {
      const { page, next } = listed(all, request);
      return { items: page, next_page_token: next, total_size: all.length };
    });
  });
  const document = `query ($first: Int, $after: String, $filter: String) {
    items(first: $first, after: $after, filter: $filter) {
      edges { cursor node { id } } nodes { id } totalCount nextPageToken
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  const ids = (connection: { nodes: { id: string }[] }) => connection.nodes.map(({ id }) => id);

  test('follow each other, whatever their sizes, from any cursor', async () => {
    for (const first of [1, 2, 3, 7, 100]) {
      const found: string[] = [];
      let after: string | null = null;
      for (;;) {
        const { items } = await lab.data(document, { first, after, filter: 'f' });
        found.push(...ids(items));
        expect(items.edges.map(({ node }: { node: object }) => node)).toEqual(items.nodes);
        expect(items.totalCount).toBe(7);
        expect(items.pageInfo.hasPreviousPage).toBe(after !== null);
        if (!items.pageInfo.hasNextPage) break;
        expect(items.nextPageToken).toBe(items.pageInfo.endCursor);
        after = items.pageInfo.endCursor;
      }
      expect(found).toEqual(all.map(({ id }) => id));
    }
    const { items } = await lab.data(document, { first: 5 });
    const { items: rest } = await lab.data(document, { first: 2, after: items.edges[1].cursor });
    expect(ids(rest)).toEqual(['i2', 'i3']);
    expect(lab.upstreams.request('Feed.ListItems')).toEqual({ page_size: 4 });
  });

  test('are capped, and have a size where the client says none', async () => {
    await lab.data(document, { first: 1000 });
    expect(lab.upstreams.request('Feed.ListItems')).toEqual({ page_size: 10 });
    await lab.data('{ items { totalCount } }');
    expect(lab.upstreams.request('Feed.ListItems')).toEqual({ page_size: 2 });
    await lab.data('{ many(of: "p") { totalCount } }');
    expect(lab.upstreams.request('Feed.ListMany')).toEqual({ parent: 'p', max_results: 25 });
  });

  test('of an upstream that sends more than it was asked for lose nothing', async () => {
    lab.upstreams.answer('Feed.ListItems', () => ({ items: all, total_size: 7 }));
    const found: string[] = [];
    let after: string | null = null;
    for (;;) {
      const { items } = await lab.data(document, { first: 3, after });
      expect(items.nodes.length).toBeLessThanOrEqual(3);
      found.push(...ids(items));
      if (!items.pageInfo.hasNextPage) break;
      expect(items.nextPageToken).toBe(items.pageInfo.endCursor);
      after = items.pageInfo.endCursor;
    }
    expect(found).toEqual(all.map(({ id }) => id));
  });

  test('an empty one has no cursors', async () => {
    lab.upstreams.reset();
    expect(await lab.data(document)).toEqual({
      items: {
        edges: [],
        nodes: [],
        totalCount: 0,
        nextPageToken: null,
        pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
      },
    });
  });

  test('by other names and types, of the list that the SDL names, with what else the answer has', async () => {
    lab.upstreams.answer('Feed.ListMany', () => ({
      items: all,
      events: [{ number: '9223372036854775807' }],
      next_page_token: 'n',
      total: '2147483647',
      etag: 'e',
    }));
    const many =
      '{ many(of: "p", first: 1) { nodes { number } edges { cursor } totalCount etag pageInfo { endCursor } } }';
    const { many: page } = await lab.data(many);
    expect(page).toMatchObject({ nodes: [{ number: '9223372036854775807' }], totalCount: 2147483647, etag: 'e' });
    expect(page.edges[0].cursor).toBe(page.pageInfo.endCursor);
    await lab.data('query ($after: String) { many(of: "p", first: 1, after: $after) { etag } }', {
      after: page.pageInfo.endCursor,
    });
    expect(lab.upstreams.request('Feed.ListMany')).toEqual({ parent: 'p', max_results: 1, page_token: 'n' });
  });

  test('a total that does not fit is an error of its field alone', async () => {
    lab.upstreams.answer('Feed.ListMany', () => ({ total: '2147483648', etag: 'e' }));
    const { data, errors } = await lab.graphql('{ many(of: "p") { totalCount etag } }');
    expect(data).toEqual({ many: { totalCount: null, etag: 'e' } });
    expect(errors).toMatchObject([{ path: ['many', 'totalCount'], extensions: { code: 'UPSTREAM_ERROR' } }]);
  });

  test.each([0, -1])('a size of %d is refused', async (first) => {
    const { errors } = await lab.graphql(document, { first });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ field: 'first' }] } }]);
    expect(lab.upstreams.control.count('Feed.ListItems')).toBe(0);
  });
});

describe('details of errors', () => {
  const { root } = parse(
    `syntax = "proto3"; package google.rpc;
    message Any { string type_url = 1; bytes value = 2; }
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message BadRequest { message FieldViolation { string field = 1; string description = 2; } repeated FieldViolation field_violations = 1; }
    message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }
    message RetryInfo { Duration retry_delay = 1; }`,
    { keepCase: true },
  );
  const encode = (type: string, value: object): Uint8Array => {
    const message = root.lookupType(`google.rpc.${type}`);
    return message.encode(message.fromObject(value)).finish();
  };
  const failWith = (code: status, message: string, details: Record<string, object>): void => {
    const trailer = encode('Status', {
      code,
      message,
      details: Object.entries(details).map(([type, value]) => ({
        type_url: `type.googleapis.com/google.rpc.${type}`,
        value: encode(type, value),
      })),
    });
    lab.upstreams.answer('Feed.Fail', () => {
      throw new RpcError(code, message, trailer);
    });
  };
  const violations = [
    { field: 'reason', description: 'is too short' },
    { field: 'topic.name', description: 'is taken' },
  ];
  const info = { reason: 'REASON_TOO_SHORT', domain: 'lab.example.com', metadata: { min: '3' } };

  test('violated fields, and why, are told', async () => {
    failWith(status.INVALID_ARGUMENT, 'wrong in two places', {
      BadRequest: { field_violations: violations },
      ErrorInfo: info,
    });
    for (const document of ['{ fail(reason: "a") { text } }', 'mutation { failToChange(reason: "a") { text } }']) {
      const { errors, status: http } = await lab.graphql(document);
      expect(http).toBe(400);
      expect(errors).toMatchObject([
        {
          message: 'wrong in two places',
          extensions: {
            code: 'BAD_USER_INPUT',
            fieldViolations: violations,
            details: [
              { '@type': 'google.rpc.BadRequest', fieldViolations: violations },
              { '@type': 'google.rpc.ErrorInfo', ...info },
            ],
          },
        },
      ]);
    }
  });

  test('when to try again is told, rounded up', async () => {
    failWith(status.RESOURCE_EXHAUSTED, 'inside knowledge', {
      RetryInfo: { retry_delay: { seconds: 6, nanos: 1 } },
      ErrorInfo: info,
    });
    const { errors, headers, status: http } = await lab.graphql('{ fail { text } }');
    expect(http).toBe(429);
    expect(headers.get('retry-after')).toBe('7');
    expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfter: 7 } }]);
    // What a failing service says of its inside stays inside.
    expect(JSON.stringify(errors)).not.toMatch(/inside knowledge|REASON/);
  });

  test('details that cannot be read are as good as none', async () => {
    lab.upstreams.answer('Feed.Fail', () => {
      throw new RpcError(status.FAILED_PRECONDITION, 'not now', Buffer.from([0xff, 0xff]));
    });
    const { errors } = await lab.graphql('{ fail { text } }');
    expect(errors).toMatchObject([{ message: 'not now', extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(errors?.[0]?.extensions).not.toHaveProperty('details');
  });

  test('one field’s failure is not another’s', async () => {
    failWith(status.NOT_FOUND, 'no such thing', { ErrorInfo: info });
    lab.upstreams.answer('Feed.ListItems', () => ({ total_size: 1 }));
    const { data, errors, status: http } = await lab.graphql('{ fail { text } items { totalCount } }');
    expect(http).toBe(200);
    expect(data).toEqual({ fail: null, items: { totalCount: 1 } });
    expect(errors).toMatchObject([
      {
        path: ['fail'],
        message: 'no such thing',
        extensions: { code: 'NOT_FOUND', details: [{ reason: info.reason }] },
      },
    ]);
  });
});
