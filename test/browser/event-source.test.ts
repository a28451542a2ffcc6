import type { Browser } from 'playwright-core';
import { until } from '../gateway-fixture';
import { startOwnWorld, type OwnWorld } from '../schema/own-schema';
import { startTcpProxy, type TcpProxy } from '../tcp-proxy';
import { describeInChromium, launchChromium } from './browser-fixture';

jest.setTimeout(90_000);

const proto = `
syntax = "proto3";
package own.v1;
service OwnService { rpc Count(CountRequest) returns (stream Number); }
message CountRequest { int32 to = 1; }
message Number { int32 value = 1; }
`;
const sdl = `
type Query { gateway: String @public @resolver(name: "gateway") }
type Subscription { count(to: Int!): Number @authenticated @grpc(rpc: "Count", deadline: "1m") }
type Number { value: Int! }
`;
const rest = 'subscription Count($to: Int!) @rest(method: GET, path: "/count") { count(to: $to) { value } }';

describeInChromium('an EventSource', () => {
  let here: OwnWorld;
  let proxy: TcpProxy;
  let browser: Browser;
  let allowed: number;

  beforeAll(async () => {
    const handlers = {
      async *Count({ to }: { to: number }, { signal }: { signal: AbortSignal }) {
        for (let value = 1; value <= to; value += 1) {
          const mayGoOn = () => value <= allowed || signal.aborted;
          await until(mayGoOn, (holds) => holds, 60_000);
          yield { value };
        }
      },
    };
    here = await startOwnWorld({ proto, sdl, rest, handlers, options: { env: { STREAM_REPLAY: '64KB' } } });
    proxy = await startTcpProxy(here.world.server.port);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await proxy.close();
    await here.close();
  });

  test('goes on by itself where its connection breaks off, and stops at the end', async () => {
    const { auth } = here.world;
    const url = `http://localhost:${proxy.port}`;
    const context = await browser.newContext();
    await context.addCookies([{ name: 'session', value: auth.memberToken, url }]);
    const page = await context.newPage();
    await page.goto(`${url}/api/openapi.json`);
    allowed = 2;
    await page.evaluate(() => {
      const seen: unknown[] = [];
      const source = new EventSource('/count?to=6');
      Object.assign(globalThis, { seen, source });
      source.addEventListener('message', ({ data }) =>
        seen.push((JSON.parse(data as string) as { value: number }).value),
      );
      source.addEventListener('done', () => seen.push('done'));
    });
    const seen = () => page.evaluate(() => (globalThis as unknown as { seen: unknown[] }).seen);
    const state = () => page.evaluate(() => (globalThis as unknown as { source: EventSource }).source.readyState);
    for (const at of [2, 4]) {
      allowed = at;
      await until(seen, ({ length }) => length === at);
      proxy.cut();
      await until(state, (readyState) => readyState === 0);
    }
    allowed = 6;
    await until(seen, (values) => values.includes('done'));
    // It comes back once more, and is told that there is nothing left.
    await until(state, (readyState) => readyState === 2);
    expect(await seen()).toEqual([1, 2, 3, 4, 5, 6, 'done']);
    expect(here.own.control.count('Count')).toBe(1);
    await context.close();
  });
});
