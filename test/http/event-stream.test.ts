import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionResult } from 'graphql';
import { graphqlEvents, streamOfOne } from '../../src/graphql/event-format';
import { EventStream, Heartbeats } from '../../src/http/event-stream';

const heartbeat = ':\n\n';
const complete = 'event: complete\ndata:\n\n';
const event = (value: unknown) => `event: next\ndata: ${JSON.stringify(value)}\n\n`;
const result = (number: number): ExecutionResult => ({ data: { number } });

/** Results that come when a test says so. */
class Upstream implements AsyncIterableIterator<ExecutionResult, undefined> {
  asked = 0;
  returned = 0;
  private answer: PromiseWithResolvers<IteratorResult<ExecutionResult, undefined>> | undefined;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.answer) throw new Error('asked again before there was an answer');
    this.asked += 1;
    this.answer = withResolvers();
    return this.answer.promise;
  }

  return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.returned += 1;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  send(value: ExecutionResult): void {
    this.settle()?.resolve({ done: false, value });
  }

  end(): void {
    this.settle()?.resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    this.settle()?.reject(error);
  }

  private settle() {
    const { answer } = this;
    this.answer = undefined;
    return answer;
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

/** A stream past its first chunk, whose heartbeats come when a test says so. */
async function open() {
  const upstream = new Upstream();
  const stream = new EventStream(upstream, graphqlEvents, new Heartbeats(1e9));
  expect(await stream.next()).toEqual({ done: false, value: heartbeat });
  expect(upstream.asked).toBe(0);
  return { upstream, stream };
}

describe('a stream', () => {
  test('is a comment, an event for each result, and an end', async () => {
    async function* results() {
      yield result(1);
      yield { data: { text: 'of\ntwo lines\u2028' } };
    }
    const chunks: string[] = [];
    for await (const chunk of new EventStream(results(), graphqlEvents, new Heartbeats(1e9))) chunks.push(chunk);
    expect(chunks).toEqual([heartbeat, event(result(1)), event({ data: { text: 'of\ntwo lines\u2028' } }), complete]);
    expect(chunks[2]).toBe('event: next\ndata: {"data":{"text":"of\\ntwo lines\u2028"}}\n\n');
  });

  test('of one result is written at once', () => {
    expect(streamOfOne('{"data":null}')).toBe(`${heartbeat}${event({ data: null })}${complete}`);
  });

  test('asks for a result only when its reader does', async () => {
    const { upstream, stream } = await open();
    const first = stream.next();
    expect(upstream.asked).toBe(1);
    upstream.send(result(1));
    expect(await first).toEqual({ done: false, value: event(result(1)) });
    await sleep(5);
    expect(upstream.asked).toBe(1);
    void stream.next();
    expect(upstream.asked).toBe(2);
    await stream.return();
  });

  test('has nothing after its end', async () => {
    const { upstream, stream } = await open();
    const last = stream.next();
    upstream.end();
    expect(await last).toEqual({ done: false, value: complete });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(upstream.asked).toBe(1);
  });

  test('fails as its results do', async () => {
    const { upstream, stream } = await open();
    const failing = stream.next();
    upstream.fail(new Error('gone'));
    await expect(failing).rejects.toThrow('gone');
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('fails for what cannot be written', async () => {
    const { upstream, stream } = await open();
    const failing = stream.next();
    upstream.send({ data: { number: 1n } });
    await expect(failing).rejects.toThrow(/BigInt/);
  });

  test('that is left cancels its results, and whoever waits is let go', async () => {
    const { upstream, stream } = await open();
    const waiting = stream.next();
    expect(await stream.return()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(upstream.returned).toBe(1);
    stream.beat();
  });

  test('that is left before it was read cancels its results too', async () => {
    const upstream = new Upstream();
    const stream = new EventStream(upstream, graphqlEvents, new Heartbeats(1e9));
    await stream.return();
    expect(upstream).toMatchObject({ asked: 0, returned: 1 });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a heartbeat', () => {
  test('comes while there is no result, and no result is lost or asked for twice', async () => {
    const { upstream, stream } = await open();
    for (let times = 0; times < 3; times += 1) {
      const waiting = stream.next();
      stream.beat();
      expect(await waiting).toEqual({ done: false, value: heartbeat });
    }
    const after = stream.next();
    upstream.send(result(1));
    expect(await after).toEqual({ done: false, value: event(result(1)) });
    expect(upstream.asked).toBe(1);
    await stream.return();
  });

  test('that the client is slow to take keeps the result for the time after it', async () => {
    const { upstream, stream } = await open();
    const waiting = stream.next();
    stream.beat();
    await waiting;
    upstream.send(result(1));
    await sleep(5);
    // Nobody takes anything now: heartbeats would only pile up.
    stream.beat();
    expect(await stream.next()).toEqual({ done: false, value: event(result(1)) });
    expect(upstream.asked).toBe(1);
    const next = stream.next();
    upstream.send(result(2));
    expect(await next).toEqual({ done: false, value: event(result(2)) });
    await stream.return();
  });

  test.each([
    ['the end', (upstream: Upstream) => upstream.end(), { value: { done: false, value: complete } }],
    ['a failure', (upstream: Upstream) => upstream.fail('gone'), { reason: 'gone' }],
  ])('keeps %s too', async (_what, happen, expected) => {
    const { upstream, stream } = await open();
    const waiting = stream.next();
    stream.beat();
    await waiting;
    happen(upstream);
    await sleep(5);
    expect(await Promise.allSettled([stream.next()])).toMatchObject([expected]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('comes to all streams, again and again, until they are over', async () => {
    const heartbeats = new Heartbeats(60);
    const upstreams = Array.from({ length: 50 }, () => new Upstream());
    const counts = upstreams.map(() => 0);
    const read = async (upstream: Upstream, index: number): Promise<void> => {
      for await (const chunk of new EventStream(upstream, graphqlEvents, heartbeats)) {
        if (chunk === heartbeat) counts[index]! += 1;
      }
    };
    const readers = upstreams.map(async (upstream, index) => {
      await sleep(index);
      await read(upstream, index);
    });
    const deadline = Date.now() + 10_000;
    // The first is the one that every stream begins with.
    while (Math.min(...counts) < 4 && Date.now() < deadline) await sleep(5);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(4);
    for (const upstream of upstreams) upstream.end();
    await Promise.all(readers);
    expect(heartbeats).toMatchObject({ size: 0, timer: undefined });
  });

  test('stops for one stream and goes on for another', async () => {
    const beats = { left: 0, kept: 0 };
    const left = { beat: () => (beats.left += 1) };
    const kept = { beat: () => (beats.kept += 1) };
    const heartbeats = new Heartbeats(24);
    const spoke = heartbeats.join(left);
    const other = heartbeats.join(kept);
    heartbeats.leave(left, spoke);
    // Twice is as good as once.
    heartbeats.leave(left, spoke);
    const deadline = Date.now() + 10_000;
    while (beats.kept < 2 && Date.now() < deadline) await sleep(5);
    expect(beats.left).toBe(0);
    expect(beats.kept).toBeGreaterThanOrEqual(2);
    heartbeats.leave(kept, other);
    const last = beats.kept;
    await sleep(60);
    expect(beats.kept).toBe(last);
  });
});
