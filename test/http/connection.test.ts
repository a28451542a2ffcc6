import type { Reply, Route } from '../../src/http/exchange';
import { until, valueOf } from '../gateway-fixture';
import { gate, head, openSite, statuses } from './http-fixture';

/** A route whose stream says one thing, and a second one when it is let. Says whether it has ended. */
function stream(path: string) {
  let isOver = false;
  let begun = 0;
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const route: Route = {
    method: 'GET',
    path,
    handle(exchange): Reply {
      async function* body() {
        begun += 1;
        try {
          yield 'one ';
          await Promise.race([
            finished,
            new Promise<void>((resolve) => exchange.cancellation.addEventListener('abort', resolve)),
          ]);
          yield 'two ';
        } finally {
          isOver = true;
        }
      }
      return { status: 200, body: body() };
    },
  };
  return { route, finish: () => finish(), isOver: () => isOver, begun: () => begun };
}

/** A route that answers only when nobody waits any more. Says how many have been told so. */
function hanging(path: string, method = 'GET') {
  let calls = 0;
  let aborted = 0;
  const route: Route = {
    method,
    path,
    handle: ({ cancellation }) => {
      calls += 1;
      return new Promise<Reply>((resolve) => {
        cancellation.addEventListener('abort', () => {
          aborted += 1;
          resolve({ status: 204 });
        });
      });
    },
  };
  return { route, calls: () => calls, aborted: () => aborted };
}

/** More than a busy machine needs, and much less than any other timeout. */
const soon = 2_000;

describe('a stream owns its connection', () => {
  test('nothing that comes behind it is read as a request, and the connection closes after it', async () => {
    const [own, other] = [stream('/stream'), hanging('/other')];
    const site = await openSite([own.route, other.route]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1'));
    await client.reads((text) => text.includes('one '));
    client.socket.write(head('GET /other HTTP/1.1'));
    await client.arrived();
    own.finish();
    await until(
      () => client.socket.closed,
      (closed) => closed,
    );
    expect(client.text()).toMatch(/two \r\n0\r\n\r\n$/);
    expect(statuses(client.text())).toEqual(['200']);
    expect(other.calls()).toBe(0);
    expect(site.lines).toMatchObject([{ route: '/stream', status: 200 }]);
  });

  test('what came with it is closed with it, and never answered', async () => {
    const [own, other] = [stream('/stream'), gate('/other')];
    const site = await openSite([own.route, other.route]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1') + head('GET /other HTTP/1.1').repeat(2));
    await client.reads((text) => text.includes('one '));
    other.open();
    await client.arrived();
    own.finish();
    await until(
      () => client.socket.closed,
      (closed) => closed,
    );
    expect(client.text()).toMatch(/two \r\n0\r\n\r\n$/);
    await until(
      () => site.lines,
      ({ length }) => length === 3,
    );
    expect(site.lines).toMatchObject([
      { route: '/stream', status: 200 },
      { route: '/other', status: 499 },
      { route: '/other', status: 499 },
    ]);
  });

  test('what stands before it is answered, and what stands behind is not', async () => {
    const [first, own, other] = [gate('/first'), stream('/stream'), hanging('/other')];
    const site = await openSite([first.route, own.route, other.route]);
    const client = site.connect();
    client.socket.write(head('GET /first HTTP/1.1') + head('GET /stream HTTP/1.1'));
    await until(own.begun, (count) => count === 1);
    client.socket.write(head('GET /other HTTP/1.1'));
    await client.arrived();
    first.open();
    own.finish();
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['200', '200']);
    expect(text).toMatch(/"first"[^]*one [^]*two /);
    expect(other.calls()).toBe(0);
  });

  test('a stream whose request has a body nobody reads owns its connection once that has come', async () => {
    const [own, other] = [stream('/stream'), hanging('/other')];
    const site = await openSite([own.route, other.route]);
    const client = site.connect();
    const size = 1024 * 1024;
    client.socket.write(head('GET /stream HTTP/1.1', `Content-Length: ${size}`));
    await client.reads((text) => text.includes('one '));
    client.socket.write('x'.repeat(size));
    await client.arrived();
    client.socket.write(head('GET /other HTTP/1.1'));
    await client.arrived();
    own.finish();
    await until(
      () => client.socket.closed,
      (closed) => closed,
    );
    expect(statuses(client.text())).toEqual(['200']);
    expect(other.calls()).toBe(0);
  });

  test('a connection on which nothing came behind a stream is used again', async () => {
    const own = stream('/stream');
    const site = await openSite([own.route]);
    own.finish();
    const client = site.connect();
    for (let count = 1; count <= 3; count += 1) {
      client.socket.write(head('GET /stream HTTP/1.1'));
      await client.reads((text) => text.split('0\r\n\r\n').length === count + 1);
    }
    client.socket.write('nonsense\r\n\r\n');
    await client.reads((text) => text.includes('HTTP/1.1 400 '));
    expect(statuses(client.text())).toEqual(['200', '200', '200', '400']);
  });
});

describe('a client that is gone is noticed', () => {
  /** Takes the time from when the client leaves until something is so. */
  async function timeUntil(leave: () => void, holds: () => boolean): Promise<number> {
    const began = performance.now();
    leave();
    await until(holds, (so) => so);
    return performance.now() - began;
  }

  test.each([
    ['nothing', ''],
    ['requests', head('GET /stream HTTP/1.1').repeat(500)],
    ['half a request', 'GET /stream HTT'],
    ['nonsense', '\u0000\u0001\u0002\r\n\r\n'],
    ['more than is dropped', 'x'.repeat(4 * 1024 * 1024)],
  ])('on a stream, behind which %s came, by its reset', async (_what, behind) => {
    const own = stream('/stream');
    const site = await openSite([own.route]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1'));
    await client.reads((text) => text.includes('one '));
    client.socket.write(behind);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await timeUntil(() => client.socket.resetAndDestroy(), own.isOver)).toBeLessThan(soon);
    await until(
      () => site.lines.length,
      (count) => count === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/stream', status: 499 }]);
  });

  test.each([
    ['nothing', ''],
    ['requests', head('GET /stream HTTP/1.1').repeat(100)],
    ['half a request', 'GET /stream HTT'],
  ])('on a stream, behind which %s came, by its end', async (_what, behind) => {
    const own = stream('/stream');
    const site = await openSite([own.route]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1'));
    await client.reads((text) => text.includes('one '));
    client.socket.write(behind);
    expect(await timeUntil(() => client.socket.end(), own.isOver)).toBeLessThan(soon);
  });

  test('on streams that came in one piece', async () => {
    const own = stream('/stream');
    const site = await openSite([own.route]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1').repeat(300));
    await until(own.begun, (count) => count >= 100);
    client.socket.resetAndDestroy();
    await until(
      async () => valueOf(await site.metrics.registry.metrics(), 'http_requests_in_flight'),
      (count) => count === 0,
      soon,
    );
  });

  test('behind more requests than are read', async () => {
    const slow = hanging('/slow');
    const site = await openSite([slow.route]);
    const client = site.connect();
    client.socket.write(head('GET /slow HTTP/1.1').repeat(20_000));
    await until(slow.calls, (count) => count > 100);
    expect(
      await timeUntil(
        () => client.socket.resetAndDestroy(),
        () => slow.aborted() === slow.calls(),
      ),
    ).toBeLessThan(soon);
  });

  test.each([
    ['GET', 1024 * 1024],
    ['POST', 1024 * 1024],
    ['DELETE', 200_000],
  ])('behind a body of %s that nobody reads', async (method, size) => {
    const slow = hanging('/slow', method);
    const site = await openSite([slow.route]);
    const client = site.connect();
    client.socket.write(head(`${method} /slow HTTP/1.1`, `Content-Length: ${size}`) + 'x'.repeat(size / 2));
    await until(slow.calls, (count) => count === 1);
    await client.arrived();
    expect(
      await timeUntil(
        () => client.socket.resetAndDestroy(),
        () => slow.aborted() === 1,
      ),
    ).toBeLessThan(soon);
  });

  test('behind answers that wait', async () => {
    const slow = hanging('/slow');
    const large: Route = {
      method: 'GET',
      path: '/large',
      handle: () => ({ status: 200, body: 'x'.repeat(1024 * 1024) }),
    };
    const site = await openSite([slow.route, large]);
    const client = site.connect();
    client.socket.write(head('GET /slow HTTP/1.1') + head('GET /large HTTP/1.1'));
    await client.arrived();
    client.socket.write(head('GET /large HTTP/1.1').repeat(10));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(
      await timeUntil(
        () => client.socket.resetAndDestroy(),
        () => slow.aborted() === 1,
      ),
    ).toBeLessThan(soon);
  });
});
