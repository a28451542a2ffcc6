/** Streams of the REST doors: server-sent events and lines of JSON, by Accept. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { status as grpc } from '@grpc/grpc-js';
import { startWorld, until, type World } from '../gateway-fixture';
import { isInstalled } from '../is-installed';
import { EventReader, fromLines, fromSse } from './event-reader';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const ask = (accept: string, body: object, init: RequestInit = {}, path = '/api/ai'): Promise<Response> =>
  fetch(`${world.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.auth.adminToken}`, accept },
    body: JSON.stringify(body),
    ...init,
  });

const forms = [
  ['text/event-stream', 'text/event-stream; charset=utf-8', fromSse],
  ['application/x-ndjson', 'application/x-ndjson; charset=utf-8', fromLines],
] as const;

describe.each(forms)('%s', (accept, type, read) => {
  test('has an event for each part, named after it, then the answer and the end', async () => {
    for (const path of ['/api/ai', '/api/v1/ai']) {
      const response = await ask(accept, { query: 'count to 3' }, {}, path);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
      expect(response.headers.get('cache-control')).toBe('no-store');
      const events = read(await response.text());
      expect(events.map(({ event }) => event)).toEqual(['delta', 'delta', 'delta', 'answer', 'done']);
      const [first, , , answer, done] = events;
      const { sessionId } = first!.data;
      expect(first!.data).toEqual({ sessionId, delta: expect.any(String) });
      expect(answer!.data).toEqual({ sessionId, answer: { response: '1 2 3' } });
      expect(done!.data).toEqual({});
      const requestId = response.headers.get('x-request-id');
      expect(events.map(({ id }) => id)).toEqual([1, 2, 3, 4, 'done'].map((end) => `${requestId}.${end}`));
    }
  });

  test('offers a plan', async () => {
    const events = read(await (await ask(accept, { query: `invite ${type.length}.stream@example.com` })).text());
    expect(events.at(-2)).toMatchObject({ event: 'plan', data: { plan: { planId: expect.any(String) } } });
  });

  test('ends in an orderly way where the service fails in the middle', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', code: grpc.INTERNAL, failAfter: 2 });
    const response = await ask(accept, { query: 'count to 5' });
    const events = read(await response.text());
    expect(events.map(({ event }) => event)).toEqual(['delta', 'delta', 'error']);
    expect(events.at(-1)!.id).toBe(`${response.headers.get('x-request-id')}.failed`);
    expect(events.at(-1)!.data).toEqual({
      error: {
        code: 502,
        reason: 'UPSTREAM_ERROR',
        message: expect.any(String),
        requestId: response.headers.get('x-request-id'),
      },
    });
  });

  test('is a stream of one where the service does not stream', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', code: grpc.UNIMPLEMENTED });
    const events = read(await (await ask(accept, { query: 'count to 3' })).text());
    expect(events.map(({ event }) => event)).toEqual(['answer', 'done']);
    expect(world.ai.control.count('ProcessQuery')).toBe(1);
  });

  test('that may not begin is an error like any other', async () => {
    const anonymous = await ask(accept, { query: 'hi' }, { headers: { 'content-type': 'application/json', accept } });
    expect([anonymous.status, anonymous.headers.get('content-type')]).toEqual([401, 'application/json; charset=utf-8']);
    expect((await anonymous.json()).error.reason).toBe('UNAUTHENTICATED');
    const wrong = await ask(accept, { question: 'hi' });
    expect([wrong.status, (await wrong.json()).error.reason]).toEqual([400, 'BAD_USER_INPUT']);
    expect(world.ai.control.count('StreamQuery')).toBe(0);
  });

  test('whose client leaves cancels the call', async () => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
    const leave = new AbortController();
    const response = await ask(accept, { query: 'count to 5' }, { signal: leave.signal });
    const reader = response.body!.getReader();
    await reader.read();
    await until(
      () => world.ai.control.calls('StreamQuery')[0]?.sent,
      (sent) => sent === 1,
    );
    leave.abort();
    await until(
      () => world.ai.control.calls('StreamQuery')[0]?.cancelled,
      (cancelled) => cancelled === true,
    );
    await reader.read().catch(() => undefined);
  });
});

test('of a service that goes away end with an error each; new ones work once it is back', async () => {
  world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 1 });
  const streams = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => new EventReader(await ask(forms[at % 2]![0], { query: 'count to 5' }))),
  );
  for (const stream of streams) expect((await stream.read(1)).map(({ event }) => event)).toEqual(['delta']);
  await world.ai.close();
  for (const stream of streams) {
    const events = await stream.read();
    expect(events.map(({ event }) => event)).toEqual(['delta', 'error']);
    expect(['SERVICE_UNAVAILABLE', 'UPSTREAM_ERROR']).toContain(events[1]!.data.error.reason);
  }
  await world.restartAi();
  await until(
    () => world.metric('upstream_grpc_channel_ready{service="ai"}'),
    (ready) => ready === 1,
  );
  for (const [accept, , read] of forms) {
    const events = read(await (await ask(accept, { query: 'count to 2' })).text());
    expect(events.map(({ event }) => event)).toEqual(['delta', 'delta', 'answer', 'done']);
  }
});

(isInstalled('curl') ? test : test.skip).each(forms)(
  'of %s are shown by curl -N as they come',
  async (accept, _, read) => {
    world.ai.control.setFault({ method: 'StreamQuery', hang: true, failAfter: 2 });
    const headers = [
      `accept: ${accept}`,
      'content-type: application/json',
      `authorization: Bearer ${world.auth.adminToken}`,
    ];
    const options = headers.flatMap((header) => ['--header', header]);
    const curl = spawn('curl', ['-sN', ...options, '--data', '{"query":"count to 5"}', `${world.url}/api/ai`]);
    let output = '';
    curl.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const closed = once(curl, 'close');
    try {
      await until(
        () => read(output.slice(0, output.lastIndexOf('\n') + 1)).map(({ event }) => event),
        (events) => events.length === 2 && events.every((event) => event === 'delta'),
      );
    } finally {
      curl.kill();
      await closed;
    }
  },
);

describe('what Accept asks for', () => {
  test.each([
    ['application/json', 'application/json; charset=utf-8'],
    ['*/*', 'application/json; charset=utf-8'],
    ['', 'application/json; charset=utf-8'],
    ['application/json, text/event-stream', 'application/json; charset=utf-8'],
    ['text/event-stream, application/json', 'text/event-stream; charset=utf-8'],
    ['application/json;q=0.5, text/event-stream', 'text/event-stream; charset=utf-8'],
    ['text/event-stream;q=0, */*', 'application/json; charset=utf-8'],
    ['*/*, application/json;q=0', 'text/event-stream; charset=utf-8'],
    ['*/*, application/json;q=0.5', 'text/event-stream; charset=utf-8'],
    ['application/*;q=0.9, application/json;q=0.1', 'application/x-ndjson; charset=utf-8'],
    ['application/x-ndjson;q=0.1', 'application/x-ndjson; charset=utf-8'],
    ['text/*', 'text/event-stream; charset=utf-8'],
  ])('%j is answered as %s', async (accept, type) => {
    const response = await ask(accept, { query: 'who am I' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    await response.text();
  });

  test.each(['text/html', 'application/xml', 'image/*', 'application/json;q=0'])('%s is 406', async (accept) => {
    const response = await ask(accept, { query: 'who am I' });
    expect(response.status).toBe(406);
    const { error } = await response.json();
    expect(error).toMatchObject({ reason: 'NOT_ACCEPTABLE', message: expect.stringContaining('text/event-stream') });
    expect(world.ai.control.count('ProcessQuery') + world.ai.control.count('StreamQuery')).toBe(0);
  });

  test('of a route without streams is JSON, or 406', async () => {
    const get = (accept: string) => world.rest('GET', '/api/v1/users/me', { headers: { accept } });
    expect((await get('text/html,application/xhtml+xml,*/*;q=0.8')).status).toBe(200);
    expect((await get('text/event-stream')).status).toBe(406);
  });
});
