/** The alerts as they are shipped, provoked: real gateways under real trouble, watched by a real Prometheus. */
import { setTimeout as sleep } from 'node:timers/promises';
import { status as grpc } from '@grpc/grpc-js';
import { startWorld, until, type World } from '../gateway-fixture';
import { isInstalled } from '../is-installed';
import { startPrometheus, type Alert, type Prometheus } from './prometheus';

/** Trouble, and what is to come of it. Each has a gateway of its own, in a namespace of its own. */
interface Scenario {
  readonly namespace: string;
  /** Brings the trouble about. */
  readonly begin: (world: World) => Promise<void>;
  /** What goes on meanwhile, again and again. */
  readonly meanwhile: (world: World) => Promise<unknown>;
  /** The alerts that fire, and no others. */
  readonly firing: readonly string[];
  readonly end: (world: World) => Promise<void>;
}

const me = '{ me { id } }';
const ask = (world: World) => world.rest('POST', '/api/ai', { body: { query: 'who am I' } });
const list = (world: World) => world.graphql('{ users { totalCount } }');

/** Traffic as it should be. */
const goodTraffic = (world: World) => Promise.all([world.graphql(me), ask(world)]);

const scenarios: readonly Scenario[] = [
  {
    namespace: 'auth-is-gone',
    begin: (world) => world.auth.close(),
    meanwhile: (world) => world.graphql(me),
    firing: ['AuthServiceUnreachable', 'HighHttp5xxErrorRate'],
    end: (world) => world.restartAuth(),
  },
  {
    // The channel is connected all the time, as it is where a proxy stands between.
    namespace: 'auth-is-gone-behind-a-proxy',
    begin: async ({ auth }) => auth.control.setFault({ method: '*', code: grpc.UNAVAILABLE }),
    meanwhile: (world) => world.graphql(me),
    firing: ['AuthServiceUnreachable', 'HighHttp5xxErrorRate'],
    end: async ({ auth }) => auth.control.clearFaults(),
  },
  {
    // Few enough of all answers fail for the rest of the application to be well.
    namespace: 'some-is-slow-and-the-assistant-fails',
    async begin({ auth, ai }) {
      auth.control.setFault({ method: 'ListUsers', delayMs: 1_050 });
      ai.control.setFault({ method: 'ProcessQuery', code: grpc.INTERNAL });
    },
    meanwhile: (world) =>
      Promise.all([list(world), list(world), ask(world), ...Array.from({ length: 40 }, () => world.graphql(me))]),
    firing: ['HighAiServiceErrorRate', 'HighApiLatency'],
    end: async ({ auth, ai }) => {
      auth.control.clearFaults();
      ai.control.clearFaults();
    },
  },
];

/** In ms. Within the shortest window of the rules, of 4 s here, there are to be five failures at least. */
const pause = 200;
const minute = 60_000;

(isInstalled('prometheus') ? describe : describe.skip)('in a real Prometheus', () => {
  const worlds = new Map<Scenario, World>();
  let prometheus: Prometheus;

  beforeAll(async () => {
    for (const scenario of scenarios) worlds.set(scenario, await startWorld());
    prometheus = await startPrometheus(
      [...worlds].map(([{ namespace }, { adminUrl }]) => ({ adminUrl, labels: { namespace, pod: 'only' } })),
    );
  });
  afterAll(async () => {
    await prometheus?.close();
    for (const world of worlds.values()) await world.close();
  });

  async function alertsOf({ namespace }: Scenario): Promise<readonly Alert[]> {
    return (await prometheus.alerts()).filter(({ labels }) => labels['namespace'] === namespace);
  }
  const firing = (alerts: readonly Alert[]): string[] =>
    alerts.flatMap(({ state, labels }) => (state === 'firing' ? [labels['alertname'] ?? ''] : [])).sort();

  /** Its alerts once they fire. */
  async function provoke(scenario: Scenario, world: World): Promise<readonly Alert[]> {
    // The series are there before anything goes wrong, as they are in a gateway that has been running for a while.
    await goodTraffic(world);
    await until(
      () => prometheus.query(`http_requests_total{namespace="${scenario.namespace}"}`),
      (series) => series.length > 0,
      minute,
    );
    await scenario.begin(world);
    for (;;) {
      await scenario.meanwhile(world);
      const alerts = await alertsOf(scenario);
      if (firing(alerts).length >= scenario.firing.length) return alerts;
      await sleep(pause);
    }
  }

  async function resolve(scenario: Scenario, world: World): Promise<void> {
    await scenario.end(world);
    do {
      await goodTraffic(world);
      await sleep(pause);
    } while ((await alertsOf(scenario)).length > 0);
  }

  test(
    'each alert fires, and clears when the trouble is over',
    async () => {
      await Promise.all(
        [...worlds].map(async ([scenario, world]) => {
          const alerts = await provoke(scenario, world);
          expect(firing(alerts)).toEqual(scenario.firing);
          for (const { labels, annotations } of alerts) {
            expect(labels).toMatchObject({ job: 'api-gateway', namespace: scenario.namespace });
            expect(annotations['description']).toMatch(/^Over the last (5 minutes|minute) \d+(\.\d+)?% of /);
          }
          await resolve(scenario, world);
        }),
      );
    },
    3 * minute,
  );
});
