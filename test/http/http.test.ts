import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { json, readJson, type Exchange, type Reply, type Route } from '../../src/http/exchange';
import { until, valueOf } from '../gateway-fixture';
import { chunked, echo, gate, head, openSite, requestIds, sites, sockets, statuses } from './http-fixture';

const refusedLine = { level: 'info', method: 'other', route: 'other', code: 'BAD_USER_INPUT' };
test.each([
  ['without a host', 'GET /nowhere HTTP/1.1\r\n\r\n', 400],
  ['with an expectation', head('GET /nowhere HTTP/1.1', 'Expect: tea', 'Connection: close'), 404],
])('a request %s is answered here, with an access line, a metric and an id', async (_what, bytes, status) => {
  const site = await openSite([echo]);
  const client = site.connect();
  client.socket.write(bytes);
  const text = await client.readToEnd();
  expect(statuses(text)).toEqual([String(status)]);
  const [requestId] = requestIds(text);
  await until(
    () => site.lines,
    ([line]) => line?.['requestId'] === requestId && line?.['status'] === status,
  );
  const series = `http_requests_total{method="GET",path="other",status="${status}"}`;
  expect(valueOf(await site.metrics.registry.metrics(), series)).toBe(1);
});

describe('what node:http cannot read', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n', 400, 'HPE_INVALID_METHOD'],
    ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000', 400, 'HPE_INVALID_METHOD'],
    ['an unknown version', head('GET / HTTP/9.9'), 400, 'HPE_INVALID_VERSION'],
    ['a header without a name', head('GET / HTTP/1.1', ': x'), 400, 'HPE_INVALID_HEADER_TOKEN'],
    ['headers over 16 KB', head('GET / HTTP/1.1', `X: ${'x'.repeat(20_000)}`), 431, 'HPE_HEADER_OVERFLOW'],
  ])('has an access line, a metric and an id: %s', async (_what, bytes, status, reason) => {
    const site = await openSite([echo]);
    const client = site.connect();
    client.socket.write(bytes, 'latin1');
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual([String(status)]);
    const [requestId] = requestIds(text);
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(site.lines).toEqual([
      {
        ...refusedLine,
        ...(status === 431 ? { limit: 'head_size' } : {}),
        time: expect.any(String),
        service: 'api-gateway',
        requestId,
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        status,
        reason: expect.stringContaining(reason),
        msg: 'request',
      },
    ]);
    const series = `http_requests_total{method="other",path="other",status="${status}"}`;
    expect(valueOf(await site.metrics.registry.metrics(), series)).toBe(1);
    expect(site.others).toEqual([]);
  });

  test('and comes too slowly is 408, with as much', async () => {
    const site = await openSite([echo], { readTimeouts: { headers: 50, request: 50, interval: 20 } });
    const client = site.connect();
    client.socket.write('GET /echo HTTP/1.1\r\nHost: a\r\n');
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['408']);
    const [requestId] = requestIds(text);
    expect(site.lines).toMatchObject([{ ...refusedLine, status: 408, requestId, reason: 'ERR_HTTP_REQUEST_TIMEOUT' }]);
  });

  test('is no request where nothing was sent', async () => {
    const site = await openSite([echo], { readTimeouts: { headers: 50, request: 50, interval: 20 } });
    const client = site.connect();
    expect(statuses(await client.readToEnd())).toEqual(['408']);
    expect(site.lines).toEqual([]);
  });

  test('is refused to operators too, uncounted', async () => {
    const site = await openSite([echo]);
    const socket = connect(site.server.adminPort, '127.0.0.1');
    sockets.push(socket);
    socket.write('nonsense\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(statuses(answer.toString())).toEqual(['400']);
    expect(site.lines).toEqual([]);
  });

  test('waits for the answer that it stands behind', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([route]);
    const client = site.connect();
    client.socket.write(`${head('GET /slow HTTP/1.1')}nonsense\r\n\r\n`);
    await until(calls, (count) => count === 1);
    // Whatever else comes is not looked at.
    for (let index = 0; index < 20; index += 1) {
      client.socket.write('more\r\n\r\n');
      await client.arrived();
    }
    expect(client.socket.closed).toBe(false);
    expect(site.lines).toEqual([]);
    release();
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['200', '400']);
    expect(text).toContain('{"answer":"first"}');
    expect(site.lines).toMatchObject([
      { route: '/slow', status: 200, requestId: requestIds(text)[0] },
      { ...refusedLine, status: 400, requestId: requestIds(text)[1] },
    ]);
  });

  test('waits for all answers that it stands behind, in their order', async () => {
    const [first, second] = [gate('/first'), gate('/second', 'second')];
    const site = await openSite([first.route, second.route]);
    const client = site.connect();
    client.socket.write(`${head('GET /first HTTP/1.1')}${head('GET /second HTTP/1.1')}\u0000\u0000\u0000`);
    await until(second.calls, (count) => count === 1);
    second.open();
    await client.arrived();
    expect(client.socket.bytesRead).toBe(0);
    first.open();
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['200', '200', '400']);
    expect(text.indexOf('"first"')).toBeLessThan(text.indexOf('"second"'));
  });

  test('behind a stream is not looked at', async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    async function* body() {
      yield 'one ';
      await finished;
      yield 'two ';
    }
    const site = await openSite([{ method: 'GET', path: '/stream', handle: () => ({ status: 200, body: body() }) }]);
    const client = site.connect();
    client.socket.write(head('GET /stream HTTP/1.1'));
    await client.reads((text) => text.includes('one '));
    client.socket.write('nonsense\r\n\r\n');
    await client.arrived();
    finish();
    const text = await client.readToEnd();
    expect(text).toMatch(/one [^]*two /);
    expect(statuses(text)).toEqual(['200']);
    expect(site.lines).toMatchObject([{ route: '/stream', status: 200, streamed: true }]);
  });

  test('ends the connection where the answer before it is the last', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([route]);
    const client = site.connect();
    client.socket.write(`${head('GET /slow HTTP/1.1', 'Connection: close')}nonsense\r\n\r\n`);
    await until(calls, (count) => count === 1);
    release();
    expect(statuses(await client.readToEnd())).toEqual(['200']);
    expect(site.lines).toMatchObject([{ route: '/slow', status: 200 }]);
    expect(site.others).toEqual([]);
  });

  test('of a client that leaves meanwhile is forgotten', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([route]);
    const client = site.connect();
    client.socket.write(`${head('GET /slow HTTP/1.1')}nonsense\r\n\r\n`);
    await until(calls, (count) => count === 1);
    await client.leave();
    release();
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/slow', status: 499 }]);
    expect(site.others).toEqual([]);
  });
});

test('a client that leaves while several of its requests are under way has a line for each', async () => {
  const [first, second] = [gate('/first'), gate('/second')];
  const reasons: unknown[] = [];
  const site = await openSite([
    first.route,
    {
      ...second.route,
      handle(exchange) {
        exchange.cancellation.addEventListener('abort', () => reasons.push(exchange.cancellation.reason));
        return second.route.handle(exchange, {});
      },
    },
    echo,
  ]);
  const client = site.connect();
  client.socket.write(head('GET /first HTTP/1.1') + head('GET /second HTTP/1.1'));
  client.socket.write(head('POST /echo HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9'));
  await until(second.calls, (count) => count === 1);
  client.socket.resetAndDestroy();
  await until(
    () => reasons,
    ({ length }) => length === 1,
  );
  expect(reasons).toMatchObject([{ code: 'CLIENT_CLOSED_REQUEST' }]);
  first.open();
  second.open();
  await until(
    () => site.lines,
    ({ length }) => length === 3,
  );
  expect(site.lines.map(({ route, status }) => `${String(route)} ${String(status)}`).toSorted()).toEqual([
    '/echo 499',
    '/first 499',
    '/second 499',
  ]);
  expect(new Set(site.lines.map(({ requestId }) => requestId)).size).toBe(3);
  const scrape = await site.metrics.registry.metrics();
  for (const [method, path] of [
    ['GET', '/first'],
    ['GET', '/second'],
    ['POST', '/echo'],
  ]) {
    expect(valueOf(scrape, `http_requests_total{method="${method}",path="${path}",status="499"}`)).toBe(1);
  }
  expect(valueOf(scrape, 'http_requests_in_flight')).toBe(0);
});

test('a stream that waits for its turn ends when its client leaves, though it pays no heed to its cancellation', async () => {
  const first = gate('/first');
  let isOver = false;
  async function* endless() {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      isOver = true;
    }
  }
  const site = await openSite([
    first.route,
    { method: 'GET', path: '/endless', handle: () => ({ status: 200, body: endless() }) },
  ]);
  const client = site.connect();
  client.socket.write(head('GET /first HTTP/1.1') + head('GET /endless HTTP/1.1'));
  await until(
    () => site.metrics.registry.metrics(),
    (scrape) => valueOf(scrape, 'http_streams_open') === 1,
  );
  client.socket.resetAndDestroy();
  await until(
    () => site.lines,
    ({ length }) => length === 1,
  );
  expect(site.lines).toMatchObject([{ route: '/endless', status: 499, streamed: true }]);
  expect(isOver).toBe(true);
  first.open();
  await until(
    () => site.lines,
    ({ length }) => length === 2,
  );
  expect(site.lines[1]).toMatchObject({ route: '/first', status: 499 });
  expect(site.others).toEqual([]);
});

test('a stream that begins once its client has left ends at once', async () => {
  const [first, second] = [gate('/first'), gate('/second')];
  let isOver = false;
  async function* endless() {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      isOver = true;
    }
  }
  const site = await openSite([
    first.route,
    {
      ...second.route,
      handle: async (exchange) => {
        await second.route.handle(exchange, {});
        return { status: 200, body: endless() };
      },
    },
  ]);
  const client = site.connect();
  client.socket.write(head('GET /first HTTP/1.1') + head('GET /second HTTP/1.1'));
  await until(second.calls, (count) => count === 1);
  client.socket.resetAndDestroy();
  first.open();
  await until(
    () => site.lines,
    ({ length }) => length === 1,
  );
  expect(site.lines).toMatchObject([{ route: '/first', status: 499 }]);
  second.open();
  await until(
    () => site.lines,
    ({ length }) => length === 2,
  );
  expect(site.lines[1]).toMatchObject({ route: '/second', status: 499 });
  expect(isOver).toBe(true);
  expect(site.others).toEqual([]);
});

describe('a body that cannot be read', () => {
  test('is the answer to its request, which has one line', async () => {
    const reasons: unknown[] = [];
    const site = await openSite([
      {
        ...echo,
        async handle(exchange) {
          exchange.cancellation.addEventListener('abort', () => reasons.push(exchange.cancellation.reason));
          return echo.handle(exchange, {});
        },
      },
    ]);
    const client = site.connect();
    client.socket.write(`${head('POST /echo HTTP/1.1', ...chunked)}ZZ\r\n{}\r\n`);
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['400']);
    expect(text).toMatch(/^connection: close\r$/im);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toEqual({
      error: {
        code: 400,
        reason: 'BAD_USER_INPUT',
        message: 'This is not valid HTTP.',
        requestId: /^x-request-id: (.+)\r$/im.exec(text)?.[1],
      },
    });
    await until(
      () => site.lines,
      ({ length }) => length > 0,
    );
    expect(site.lines).toMatchObject([
      {
        method: 'POST',
        route: '/echo',
        status: 400,
        code: 'BAD_USER_INPUT',
        reason: 'HPE_INVALID_CHUNK_SIZE',
        requestId: requestIds(text)[0],
      },
    ]);
    expect(reasons).toMatchObject([{ code: 'CLIENT_CLOSED_REQUEST' }]);
    expect(site.others).toEqual([]);
  });

  test('and comes too slowly is 408 in the place of its answer', async () => {
    const site = await openSite([echo], { readTimeouts: { headers: 50, request: 50, interval: 20 } });
    const client = site.connect();
    client.socket.write(`${head('POST /echo HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9')}{`);
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['408']);
    await until(
      () => site.lines,
      ({ length }) => length > 0,
    );
    expect(site.lines).toMatchObject([
      { route: '/echo', status: 408, reason: 'ERR_HTTP_REQUEST_TIMEOUT', requestId: requestIds(text)[0] },
    ]);
  });

  test('since it breaks off is its client leaving, who may read the answer though', async () => {
    const site = await openSite([echo]);
    const client = site.connect();
    client.socket.end(`${head('POST /echo HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9')}{`);
    expect(statuses(await client.readToEnd())).toEqual(['400']);
    await until(
      () => site.lines,
      ({ length }) => length > 0,
    );
    expect(site.lines).toMatchObject([{ route: '/echo', status: 499, code: 'CLIENT_CLOSED_REQUEST' }]);
  });

  test('behind an answer that is under way, waits for that', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([route, echo]);
    const client = site.connect();
    client.socket.write(`${head('GET /slow HTTP/1.1')}${head('POST /echo HTTP/1.1', ...chunked)}ZZ\r\n`);
    await until(calls, (count) => count === 1);
    await client.arrived();
    expect(client.socket.bytesRead).toBe(0);
    release();
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['200', '400']);
    await until(
      () => site.lines,
      ({ length }) => length === 2,
    );
    const byRoute = Object.fromEntries(site.lines.map((line) => [line['route'], line['requestId']]));
    expect([byRoute['/slow'], byRoute['/echo']]).toEqual(requestIds(text));
  });

  test.each(['with it', 'later'])('of a request that has its answer gets no other where it comes %s', async (when) => {
    const site = await openSite([{ method: 'POST', path: '/no', handle: () => json(401, {}) }]);
    const client = site.connect();
    const request = head('POST /no HTTP/1.1', ...chunked);
    if (when === 'later') {
      client.socket.write(request);
      await client.reads((text) => text.includes('{}'));
      client.socket.write('ZZ\r\n');
    } else {
      client.socket.write(`${request}ZZ\r\n`);
    }
    expect(statuses(await client.readToEnd())).toEqual(['401']);
    await until(
      () => site.lines,
      ({ length }) => length > 0,
    );
    expect(site.lines).toMatchObject([{ route: '/no', status: 401 }]);
  });

  test('is nothing to a handler that answers without it, later', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([{ ...route, method: 'POST' }]);
    const client = site.connect();
    client.socket.write(`${head('POST /slow HTTP/1.1', ...chunked)}ZZ\r\n`);
    await until(calls, (count) => count === 1);
    expect(statuses(await client.readToEnd())).toEqual(['400']);
    release();
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/slow', status: 400 }]);
    expect(site.others).toEqual([]);
  });
});

test('answers that are ready at once, more than go out together, come in the order of their requests', async () => {
  const site = await openSite([{ method: 'GET', path: '/n/{n}', handle: (_exchange, { n }) => json(200, { n }) }]);
  const numbers = Array.from({ length: 90 }, (_, n) => String(n));
  const client = site.connect();
  client.socket.write(numbers.map((n) => head(`GET /n/${n} HTTP/1.1`)).join('') + head('GET /end HTTP/1.0'));
  const text = await client.readToEnd();
  expect([...text.matchAll(/\{"n":"(\d+)"\}/g)].map(([, n]) => n)).toEqual(numbers);
  await until(
    () => site.lines,
    ({ length }) => length === numbers.length + 1,
  );
  expect(site.lines.map(({ requestId }) => requestId)).toEqual(requestIds(text));
});

describe('what the gateway itself breaks off', () => {
  const routes: readonly Route[] = [
    {
      method: 'GET',
      path: '/breaks',
      async handle() {
        async function* breaks() {
          yield 'one piece';
          throw new Error('off by one');
        }
        return { status: 200, body: breaks() };
      },
    },
    { method: 'GET', path: '/header', handle: () => ({ status: 200, headers: { 'x-a': 'one\ntwo' }, body: 'text' }) },
  ];

  test.each(['/breaks', '/header'])('is 500, and logged as a bug: %s', async (path) => {
    const site = await openSite(routes);
    const client = site.connect();
    client.socket.write(head(`GET ${path} HTTP/1.1`));
    await client.readToEnd();
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: path, status: 500, code: 'INTERNAL_SERVER_ERROR' }]);
    const requestId = site.lines[0]?.['requestId'];
    expect(site.others).toMatchObject([{ level: 'error', msg: 'internal error', requestId }]);
    const scrape = await site.metrics.registry.metrics();
    const count = (status: number) =>
      valueOf(scrape, `http_requests_total{method="GET",path="${path}",status="${status}"}`);
    expect([count(500), count(499), count(200)]).toEqual([1, 0, 0]);
  });

  test.each(['/breaks', '/header'])('lets the answers ahead of it go out whole: %s', async (path) => {
    const { route, calls, open } = gate('/ahead');
    const site = await openSite([route, ...routes]);
    const client = site.connect();
    client.socket.write(head('GET /ahead HTTP/1.1') + head(`GET ${path} HTTP/1.1`));
    await until(calls, (count) => count === 1);
    await until(
      () => site.others,
      ({ length }) => length === 1,
    );
    expect(site.others).toMatchObject([{ level: 'error', msg: 'internal error' }]);
    expect(site.lines).toEqual([]);
    open();
    const text = await client.readToEnd();
    expect(statuses(text)).toEqual(['200']);
    expect(text).toContain('"first"');
    await until(
      () => site.lines,
      ({ length }) => length === 2,
    );
    expect(site.lines).toMatchObject([
      { route: '/ahead', status: 200 },
      { route: path, status: 500, code: 'INTERNAL_SERVER_ERROR', requestId: site.others[0]?.['requestId'] },
    ]);
    expect(site.others).toHaveLength(1);
  });

  test('takes along what stood behind it on the same connection, which is 500 too', async () => {
    const { route, calls, open } = gate('/behind');
    const handle = (): Reply => {
      async function* breaks() {
        yield 'one piece';
        await until(calls, (count) => count === 1);
        throw new Error('off by one');
      }
      return { status: 200, body: breaks() };
    };
    const site = await openSite([{ method: 'GET', path: '/breaks', handle }, route]);
    const client = site.connect();
    client.socket.write(head('GET /breaks HTTP/1.1') + head('GET /behind HTTP/1.1'));
    await client.readToEnd();
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/breaks', status: 500 }]);
    open();
    await until(
      () => site.lines,
      ({ length }) => length === 2,
    );
    expect(site.lines[1]).toMatchObject({ route: '/behind', status: 500, code: 'INTERNAL_SERVER_ERROR' });
    expect(site.others).toHaveLength(1);
  });

  test('is 503 OVERLOADED where that is for the end of the grace period', async () => {
    const reasons: unknown[] = [];
    const waits = (exchange: Exchange): Promise<void> =>
      new Promise((resolve) => {
        exchange.cancellation.addEventListener('abort', () => {
          reasons.push(exchange.cancellation.reason);
          resolve();
        });
      });
    const site = await openSite(
      [
        { method: 'GET', path: '/whole', handle: (exchange) => waits(exchange).then(() => json(200, {})) },
        {
          method: 'GET',
          path: '/stream',
          handle(exchange) {
            async function* body() {
              yield 'one piece';
              await waits(exchange);
              throw exchange.cancellation.reason;
            }
            return { status: 200, body: body() };
          },
        },
      ],
      { shutdownGrace: 1_000 },
    );
    for (const path of ['/whole', '/stream']) site.connect().socket.write(head(`GET ${path} HTTP/1.1`));
    await until(
      () => site.metrics.registry.metrics(),
      (scrape) => valueOf(scrape, 'http_requests_in_flight') === 2,
    );
    expect(await site.server.close()).toBe(false);
    // They are there once it is closed, without any waiting.
    expect(site.lines).toHaveLength(2);
    for (const line of site.lines) expect(line).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect(reasons).toMatchObject([{ code: 'OVERLOADED' }, { code: 'OVERLOADED' }]);
    expect(site.others).toMatchObject([{ msg: expect.stringMatching(/cut off/) }]);
    const scrape = await site.metrics.registry.metrics();
    for (const path of ['/whole', '/stream']) {
      expect(valueOf(scrape, `http_requests_total{method="GET",path="${path}",status="503"}`)).toBe(1);
      expect(valueOf(scrape, `http_requests_total{method="GET",path="${path}",status="499"}`)).toBe(0);
    }
  });
});

describe('a client that does not read', () => {
  const large = Buffer.alloc(48 * 1024 * 1024, 'x');
  const whole: Route = { method: 'GET', path: '/large', handle: () => ({ status: 200, body: large }) };

  test('a whole answer is let go, and counts as not taken', async () => {
    const site = await openSite([whole], { writeTimeout: 100 });
    const client = site.connect();
    client.socket.write(head('GET /large HTTP/1.1'));
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/large', status: 499 }]);
    expect(site.others).toEqual([]);
  });

  test('an answer that waited for its turn is let go too', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([route, whole], { writeTimeout: 100 });
    const client = site.connect();
    client.socket.write(head('GET /slow HTTP/1.1') + head('GET /large HTTP/1.1'));
    await until(calls, (count) => count === 1);
    // Longer than it may wait for its client, but it waits for the answer before it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(site.lines).toEqual([]);
    release();
    await until(
      () => site.lines,
      ({ length }) => length === 2,
    );
    expect(site.lines).toMatchObject([
      { route: '/slow', status: 200 },
      { route: '/large', status: 499 },
    ]);
  });

  test('a stream is let go, and the stream ends', async () => {
    let isOver = false;
    async function* endless() {
      try {
        for (;;) yield large.subarray(0, 1024 * 1024);
      } finally {
        isOver = true;
      }
    }
    const site = await openSite(
      [{ method: 'GET', path: '/endless', handle: () => ({ status: 200, body: endless() }) }],
      {
        writeTimeout: 100,
      },
    );
    const client = site.connect();
    client.socket.write(head('GET /endless HTTP/1.1'));
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/endless', status: 499, streamed: true }]);
    expect(isOver).toBe(true);
    expect(site.others).toEqual([]);
  });

  test('but who reads slowly gets all of it', async () => {
    const site = await openSite([whole], { writeTimeout: 1_000 });
    const client = site.connect();
    client.socket.write(head('GET /large HTTP/1.1'));
    let size = 0;
    let rests = 0;
    const began = performance.now();
    while (size < large.length) {
      const chunk = client.socket.read() as Buffer | null;
      if (client.socket.closed) break;
      if (!chunk) await new Promise((resolve) => setTimeout(resolve, 1));
      size += chunk?.length ?? 0;
      if (size > rests * 2 * 1024 * 1024) {
        rests += 1;
        await new Promise((resolve) => setTimeout(resolve, 130));
      }
    }
    expect(size).toBeGreaterThan(large.length);
    // All in all a multiple of what it may rest for at a time.
    expect(performance.now() - began).toBeGreaterThan(3_000);
    client.socket.resume();
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    expect(site.lines).toMatchObject([{ route: '/large', status: 200 }]);
  });

  test('a quiet stream, and a connection after its answer, are left alone', async () => {
    let speak = (): void => {};
    const spoken = new Promise<void>((resolve) => (speak = resolve));
    async function* quiet() {
      yield 'one ';
      await spoken;
      yield 'two ';
      yield 'three ';
    }
    const site = await openSite(
      [whole, { method: 'GET', path: '/quiet', handle: () => ({ status: 200, body: quiet() }) }],
      {
        writeTimeout: 50,
      },
    );
    const client = site.connect();
    client.socket.write(head('GET /quiet HTTP/1.1'));
    await client.reads((text) => text.includes('one '));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(client.socket.closed).toBe(false);
    speak();
    await client.reads((text) => text.includes('three ') && text.includes('0\r\n\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.socket.write(head('GET /quiet HTTP/1.1'));
    await client.reads((text) => statuses(text).length === 2);
    await until(
      () => site.lines,
      ({ length }) => length === 2,
    );
    for (const line of site.lines) expect(line).toMatchObject({ route: '/quiet', status: 200, streamed: true });
  });

  test('a handler is not hurried by what its client has not read yet', async () => {
    const { route, calls, open: release } = gate('/slow');
    const site = await openSite([whole, route], { writeTimeout: 600 });
    const client = site.connect();
    client.socket.write(head('GET /large HTTP/1.1') + head('GET /slow HTTP/1.1'));
    await client.reads((text) => text !== '');
    await until(calls, (count) => count === 1);
    await until(
      () => site.lines,
      ({ length }) => length === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(client.socket.closed).toBe(false);
    release();
    await client.reads((text) => text.includes('"first"'));
  });
});

describe('a client that sends more than is answered', () => {
  test('on one connection, is read no further until some of it is, and gets all of its answers in their order', async () => {
    const count = 5_000;
    const seen: string[] = [];
    const open: (() => void)[] = [];
    const slow: Route = {
      method: 'POST',
      path: '/slow',
      async handle(exchange) {
        const body = await readJson(exchange);
        seen.push(exchange.query);
        await new Promise<void>((resolve) => open.push(resolve));
        return json(200, body);
      },
    };
    const site = await openSite([slow]);
    const client = site.connect();
    const all = Array.from({ length: count }, (_, index) => `{"n":${index},"text":"${'x'.repeat(100)}"}`);
    client.socket.write(
      all
        .map((body, index) =>
          [
            head(`POST /slow?${index} HTTP/1.1`, 'Content-Type: application/json', `Content-Length: ${body.length}`),
            body,
          ].join(''),
        )
        .join(''),
    );
    // From now on.
    await client.reads(() => true);
    await until(
      () => open.length,
      (under) => under > 100,
    );
    // What came in one piece with the last that was read is under way too: of 64 KB.
    let most = 0;
    while (seen.length < count || open.length > 0) {
      most = Math.max(most, open.length);
      for (const answer of open.splice(0, 50)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThan(700);
    const text = await client.reads((received) => received.includes(`"n":${count - 1},`));
    const numbers = [...text.matchAll(/"n":(\d+),/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(all.map((_, index) => index));
  });

  test('with bodies that never end, leaves room for others, and for all once it has left', async () => {
    const site = await openSite([echo], { requestMemory: 48 * 1024 * 1024 });
    const size = 1024 * 1024;
    const large = head('POST /echo HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${size}`);
    const many = Array.from({ length: 60 }, () => site.connect());
    for (const client of many) {
      client.socket.write(large + ' '.repeat(size - 1));
      void client.readToEnd();
    }
    const refused = await until(
      () => many.filter((client) => client.text() !== ''),
      (clients) => clients.length >= 5,
    );
    for (const client of refused) {
      expect(client.text()).toMatch(/^HTTP\/1\.1 503 /);
      expect(client.text()).toMatch(/\r\nretry-after: 1\r\n/i);
      expect(client.text()).toContain('OVERLOADED');
    }
    const small = site.connect();
    small.socket.write(head('POST /echo HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 7') + '{"a":1}');
    await small.reads((text) => text.endsWith('{"a":1}'));
    for (const { socket } of many) socket.destroy();
    await until(
      () => site.lines.length,
      (lines) => lines === many.length + 1,
    );
    const again = site.connect();
    again.socket.write(`${large}"${'x'.repeat(size - 2)}"`);
    await again.reads((text) => text.endsWith('x"'));
    expect(statuses(again.text())).toEqual(['200']);
  });

  test('byte by byte, is understood', async () => {
    const site = await openSite([echo]);
    const client = site.connect();
    const body = JSON.stringify({ text: 'ü'.repeat(20_000) });
    const chunks = [...Buffer.from(body)].map((byte) => Buffer.from([0x31, 13, 10, byte, 13, 10]));
    client.socket.write(head('POST /echo HTTP/1.1', ...chunked));
    client.socket.write(Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]));
    const text = await client.reads((all) => all.endsWith('"}'));
    expect(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1').toString()).toBe(body);
  });
});

test('what was served is kept in memory by nothing once the server is closed', async () => {
  // In a function of its own, so that nothing here refers to it.
  const serve = async (): Promise<WeakRef<Route>> => {
    const route = { ...echo };
    const site = await openSite([route]);
    sites.splice(0);
    await site.server.close();
    return new WeakRef(route);
  };
  const kept = await serve();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await until(
    () => {
      collect();
      return kept.deref() === undefined;
    },
    (isGone) => isGone,
  );
});
