/** What can be measured, by the names that `--only` takes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startCommand } from './arena.mjs';
import { checked } from './check.mjs';
import { compare, merge } from './compare.mjs';
import { writeGrowth } from './growth.mjs';
import { residentMegabytes } from './proc.mjs';
import { spread } from './stats.mjs';
import {
  byTracedAdmin,
  documentsWorkload,
  doorWorkloads,
  operations,
  operationWorkload,
  sessionsWorkload,
  restStreamRequest,
  streamRequest,
  toBytes,
} from './workloads.mjs';

/** Who is compared, the bare proxy first: the others' cost is given in multiples of its. */
export const contestants = {
  bare: 'bare node:http + grpc-js',
  ours: 'api-gateway',
  'ours-grpc-js': 'api-gateway on grpc-js',
  'ours-yoga': 'api-gateway on Yoga',
  'ours-both': 'api-gateway on both',
  mercurius: 'Mercurius with JIT',
  yoga: 'GraphQL Yoga',
  apollo: 'Apollo Server',
  hive: 'Hive Gateway over Mesh',
};

const yoga = { GRAPHQL_SERVER: 'yoga' };
const grpcJs = { AUTH_SERVICE_TRANSPORT: 'grpc-js', AI_SERVICE_TRANSPORT: 'grpc-js' };

/** What the gateway itself is configured with, by the name of the contestant. */
export const ownEnvironments = {
  ours: {},
  'ours-grpc-js': grpcJs,
  'ours-yoga': yoga,
  'ours-both': { ...yoga, ...grpcJs },
};

/** The gateways of a run, each started when it is first needed and kept until {@link Lineup.stopPeers}. */
export class Lineup {
  #started = new Map();

  constructor(arena, say) {
    this.arena = arena;
    this.say = say;
  }

  /** All at once: none of them is measured yet. */
  getAll(names) {
    const missing = names.filter((name) => !this.#started.has(name));
    if (missing.length > 0) this.say(`starting ${missing.map((name) => contestants[name]).join(', ')}`);
    for (const name of missing) {
      const env = ownEnvironments[name];
      this.#started.set(name, env ? this.arena.startOurs(name, { env }) : this.arena.startPeer(name));
    }
    return Promise.all(names.map((name) => this.#started.get(name)));
  }

  async get(name) {
    const [gateway] = await this.getAll([name]);
    return gateway;
  }

  async stopPeers() {
    for (const [name, gateway] of this.#started) {
      if (name === 'ours') continue;
      await (await gateway).stop();
      this.#started.delete(name);
    }
  }
}

/** One operation by all contestants. */
async function operation(name, { arena, lineup, plan, peers, say }) {
  const entries = [];
  const gateways = await lineup.getAll(peers);
  for (const [index, peer] of peers.entries()) {
    const gateway = gateways[index];
    const workload = operationWorkload(name, { mesh: peer === 'hive' });
    entries.push({
      name: peer,
      label: contestants[peer],
      gateway,
      requests: await checked(contestants[peer], gateway.port, workload),
    });
  }
  const { title } = operations[name];
  const result = await compare(arena, title, entries, plan, say);
  for (const [index, { gateway }] of entries.entries()) result.rows[index].rss = residentMegabytes(gateway.pid);
  return result;
}

/** The gateway's other doors and its refusals, to its own look-up. */
async function doors({ arena, lineup, plan, say }) {
  const gateway = await lineup.get('ours');
  const entries = [];
  for (const [name, workload] of Object.entries(doorWorkloads())) {
    const requests = await checked(contestants.ours, gateway.port, workload);
    entries.push({ name, label: workload.title, gateway, requests });
  }
  return compare(arena, 'doors and refusals', entries, plan, say);
}

/** How many streams are open before those that are measured: with these, the young generation grows to its full size. */
const firstStreams = 3_000;

/** All of them are of one session and one address. */
const moreStreams = {
  MAX_CONNECTIONS: '100000',
  MAX_STREAMS: '100000',
  MAX_STREAMS_PER_ADDRESS: '100000',
  MAX_STREAMS_PER_SESSION: '100000',
  MAX_CONNECTIONS_PER_ADDRESS: '100000',
};

/**
 * Memory per open stream, of a process that has done nothing else: where there is garbage, streams take its place, and
 * nothing is seen of them.
 */
async function streams({ arena, plan, say }) {
  const { streamCount: count, streamTimes } = plan;
  const kilobytes = [];
  for (let time = 0; time < streamTimes; time++) {
    const gateway = await arena.startOurs('ours-streams', { env: moreStreams });
    const { pid, port } = gateway;
    const bytes = toBytes(streamRequest);
    await arena.command('openStreams', { port, count: firstStreams, bytes });
    await sleep(1_000);
    const before = residentMegabytes(pid);
    await arena.command('openStreams', { port, count, bytes });
    await sleep(2_000);
    const { open } = await arena.command('countStreams', {});
    const expected = firstStreams + count;
    if (open !== expected) throw new Error(`${expected - open} of ${expected} streams did not stay open`);
    kilobytes.push(((residentMegabytes(pid) - before) * 1024) / count);
    await arena.command('closeStreams', {});
    await gateway.stop();
    say(`${count} streams, time ${time + 1} of ${streamTimes}: ${kilobytes.at(-1).toFixed(1)} KB each`);
  }
  return { title: `memory per open stream, ${count} at a time`, count, kilobytes: spread(kilobytes) };
}

/** What a stream is late by: its first event from upstream to client, and its end from client to upstream. */
async function delays({ arena, plan, say }) {
  const gateway = await arena.startOurs('ours-delays', { env: moreStreams });
  const rows = [];
  for (const [label, request] of Object.entries({ GraphQL: streamRequest, REST: restStreamRequest })) {
    const options = { port: gateway.port, bytes: toBytes(request) };
    await arena.command('timeStreams', { ...options, count: 100 });
    await arena.streamTimes();
    const atClient = await arena.command('timeStreams', { ...options, count: plan.delayCount });
    const atUpstream = await cancelledTimes(arena);
    if (atClient.length !== atUpstream.length) throw new Error('the upstream was called another number of times');
    const ms = (one, other) => (one - other) / 1e6;
    const first = spread(atClient.map((time, index) => ms(time, atUpstream[index].sent)));
    const cancelled = spread(atClient.map((time, index) => ms(atUpstream[index].cancelled, time)));
    rows.push({ label, first, cancelled });
    say(`${label}: first event after ${first.median.toFixed(2)} ms, cancelled after ${cancelled.median.toFixed(2)} ms`);
  }
  await gateway.stop();
  return { title: `delays of ${plan.delayCount} streams`, delays: rows };
}

/** The times of streams that were all left. */
async function cancelledTimes(arena) {
  await sleep(500);
  const times = await arena.streamTimes();
  if (times.some(({ cancelled }) => cancelled === undefined)) throw new Error('a call was not cancelled within 500 ms');
  return times;
}

/** From spawn to the first 200 of `/readyz`. */
async function start({ arena, plan, say }) {
  const commands = { 'npm start': ['npm', 'start', '--silent'], 'without npm': startCommand };
  const rows = [];
  for (const [label, [command, ...args]] of Object.entries(commands)) {
    const milliseconds = [];
    for (let time = 0; time < plan.starts; time++) milliseconds.push(await arena.timeStart(command, args));
    rows.push({ label, times: plan.starts, milliseconds: spread(milliseconds) });
    say(`${label}: ready after ${Math.round(rows.at(-1).milliseconds.median)} ms`);
  }
  return { title: 'cold start to ready', rows };
}

async function growthSchema({ arena, plan, say }) {
  // Two processes of the same age: what the compiler knows must not be what differs.
  const small = await arena.startOurs('ours-small');
  const large = await arena.startOurs('ours-large', {
    env: writeGrowth(arena.folder, arena.addresses.auth),
  });
  const workload = operationWorkload('lookup');
  const entries = [];
  for (const [label, gateway] of [
    ['the schema as it is', small],
    ['1,000 fields and 200 RPCs more', large],
  ]) {
    entries.push({ name: label, label, gateway, requests: await checked(label, gateway.port, workload) });
  }
  const result = await compare(arena, 'growth: schema', entries, plan, say);
  await Promise.all([small.stop(), large.stop()]);
  return result;
}

async function growthConnections({ arena, lineup, plan, say }) {
  const gateway = await lineup.get('ours');
  const requests = await checked(contestants.ours, gateway.port, operationWorkload('lookup'));
  const entries = [10, 100, 1000].map((connections) => {
    const label = `${connections.toLocaleString('en')} connections`;
    return { name: label, label, gateway, requests, connections };
  });
  return compare(arena, 'growth: connections', entries, plan, say);
}

async function growthDocuments({ arena, lineup, plan, say }) {
  const gateway = await lineup.get('ours');
  return growthInRotation(arena, 'growth: documents', gateway, documentsWorkload, plan, say);
}

async function growthSessions({ arena, plan, say }) {
  // At a thousand requests a second each of 10,000 sessions comes every ten seconds, which is when a confirmation is
  // forgotten by default. What is asked here is whether many sessions cost more, not whether asking again does.
  const gateway = await arena.startOurs('ours-sessions', { env: { SESSION_CACHE_TTL: '60s' } });
  const result = await growthInRotation(arena, 'growth: sessions', gateway, sessionsWorkload, plan, say);
  await gateway.stop();
  return result;
}

/** One of something, and 10,000 of it. The check asks for each of them once, which is the warm-up too. */
async function growthInRotation(arena, title, gateway, workloadOf, plan, say) {
  const entries = [];
  for (const count of [1, plan.rotation]) {
    const workload = workloadOf(count);
    say(`${title}: asking for ${workload.title} once`);
    const requests = await checked(contestants.ours, gateway.port, workload);
    entries.push({ name: String(count), label: workload.title, gateway, requests });
  }
  return compare(arena, title, entries, plan, say);
}

/** The look-up with traces and without, by several pairs of processes: two of one kind differ by more than is looked for. */
async function tracing({ arena, plan, say }) {
  const collector = await arena.startCollector();
  const sampling = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' };
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...sampling };
  const workload = operationWorkload('lookup');
  const tracedWorkload = operationWorkload('lookup', { headers: byTracedAdmin });
  const results = [];
  for (let pair = 0; pair < plan.pairs; pair++) {
    const kinds = [
      ['off', 'without tracing', await arena.startOurs('ours-untraced')],
      ['on', '1 % of requests traced', await arena.startOurs('ours-traced', { env })],
    ];
    const entries = [];
    for (const [name, label, gateway] of kinds) {
      // Until the compiler has seen enough of one request of a hundred takes minutes: these are traced, every one.
      const traced = await checked(label, gateway.port, tracedWorkload);
      entries.push({ name, label, gateway, requests: await checked(label, gateway.port, workload), warmUp: traced });
    }
    results.push(await compare(arena, 'tracing', entries, plan, say));
    await Promise.all(kinds.map(([, , gateway]) => gateway.stop()));
  }
  if ((await collector.countExports()) < plan.pairs) throw new Error('the collector was sent too few traces');
  await collector.stop();
  return merge(results);
}

/** In the order that they are measured in; those that need the peers come first. */
export const measurements = {
  ...Object.fromEntries(
    Object.entries(operations).map(([name, { title }]) => [
      name,
      { title, run: (context) => operation(name, context), peers: true },
    ]),
  ),
  doors: { title: 'bearer, cookie, REST, a public field, 401, 403, 400', run: doors },
  tracing: { title: 'the look-up with 1 % of requests traced', run: tracing },
  streams: { title: 'memory per open stream', run: streams },
  delays: { title: 'delay of the first event and of a cancellation', run: delays },
  start: { title: 'cold start', run: start },
  'growth-schema': { title: '1,000 fields and 200 RPCs more', run: growthSchema },
  'growth-connections': { title: '10, 100 and 1,000 connections', run: growthConnections },
  'growth-documents': { title: '10,000 different documents', run: growthDocuments },
  'growth-sessions': { title: '10,000 sessions', run: growthSessions },
};
