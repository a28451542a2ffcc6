/**
 * `npm run bench`: what a request costs, here and elsewhere.
 *
 * Four kinds of processes: this one, which directs; the upstreams; a load generator; and gateways, of which several run
 * but only one has something to do at a time. All of them are on free ports of loopback and end with this one.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Arena } from './lib/arena.mjs';
import { checked } from './lib/check.mjs';
import { contestants, Lineup, measurements, ownEnvironments } from './lib/measurements.mjs';
import { demandLinux } from './lib/proc.mjs';
import { profile } from './lib/profile.mjs';
import { goalsOf, goalsTable, tablesOf, toText } from './lib/report.mjs';
import { build, describeMachine, describeVersions, installPeers } from './lib/setup.mjs';
import { doorWorkloads, operations, operationWorkload } from './lib/workloads.mjs';
import { writeResults } from './lib/write.mjs';

const help = `npm run bench -- [options]

CPU time per request of the gateway and of its peers, read from the operating system. Needs Linux.

  --quick            about a minute: QUICK;
                     for a glance, since the larger peers are not warm by then
  --smoke            measures nothing: 50 requests of each operation to each contestant, every answer checked
  --only NAME,...    some of: ${Object.keys(measurements).join(', ')};
                     "growth" stands for all that begin with it
  --peers NAME,...   some of: ${Object.keys(contestants).join(', ')}; the first is what the others are compared with
  --connections N    connections of the load generator (32)
  --rounds N         rounds of each measurement
  --seconds N        seconds of each contestant in each round
  --profile          instead: a CPU profile of the gateway for --seconds (5), under one operation (--only, lookup) or door:
                     DOORS
  --no-build         takes dist/ as it is
  --write            writes results.*, and the sections of README and runbook; of a full run only, but for:
  --beside NAME      with --write: writes results-NAME.md, .json and .svg alone, such as those of another Node
  --help

`;

/** Milliseconds are per contestant: the first warm-up, the one of each round, and what is measured of each round. */
const plans = {
  full: {
    connections: 32,
    rounds: 3,
    warmMs: 1_000,
    warmCount: 1_500,
    warmLimitMs: 3_000,
    rewarmMs: 300,
    measureMs: 1_700,
    streamCount: 1_000,
    streamTimes: 3,
    delayCount: 500,
    starts: 10,
    rotation: 10_000,
    // The headline gets more; and it is the first, when V8 has yet to compile the larger of the peers.
    lookup: { rounds: 5, warmMs: 2_000, warmCount: 6_000, warmLimitMs: 15_000, measureMs: 2_500 },
    // Refusals are cheap: what they take is compiled after more of them.
    doors: { warmMs: 1_500, warmCount: 15_000, warmLimitMs: 4_000 },
    // A difference smaller than the machine's own moods: many short rounds, close together.
    tracing: { pairs: 4, rounds: 15, warmCount: 30_000, warmLimitMs: 6_000, rewarmMs: 50, measureMs: 300 },
    'growth-schema': { warmMs: 2_000, warmCount: 3_000, warmLimitMs: 6_000 },
    limitMs: 25 * 60_000,
    measurements: Object.keys(measurements),
  },
  quick: {
    connections: 32,
    rounds: 2,
    warmMs: 300,
    warmCount: 500,
    warmLimitMs: 1_000,
    rewarmMs: 50,
    measureMs: 300,
    streamCount: 1_000,
    streamTimes: 1,
    delayCount: 100,
    starts: 2,
    rotation: 1_000,
    tracing: { pairs: 2, rounds: 2 },
    lookup: { rounds: 3, warmMs: 500, warmCount: 1_000, warmLimitMs: 2_000, measureMs: 400 },
    limitMs: 3 * 60_000,
    measurements: ['lookup', 'list', 'doors', 'streams', 'delays', 'start'],
  },
};

const began = performance.now();

function say(line) {
  const seconds = Math.round((performance.now() - began) / 1000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      profile: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      beside: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const known = values.profile ? { ...operations, ...doorWorkloads() } : measurements;
  const only = values.only && namesOf(values.only, known, '--only');
  const peers = values.peers ? namesOf(values.peers, contestants, '--peers') : Object.keys(contestants);
  const isPartial = values.quick || values.only || values.peers || values.rounds || values.seconds;
  if (values.write && isPartial && values.beside === undefined) {
    throw new Usage('--write without --beside is for a full run');
  }
  if (values.beside !== undefined && !values.write) throw new Usage('--beside goes with --write');
  if (values.beside !== undefined && !/^[\w-]+$/.test(values.beside)) {
    throw new Usage('--beside takes a part of a file name');
  }
  const plan = { ...plans[values.quick ? 'quick' : 'full'] };
  if (only) plan.measurements = only;
  const own = {
    ...(values.connections ? { connections: positive(values.connections, '--connections') } : {}),
    ...(values.rounds ? { rounds: positive(values.rounds, '--rounds') } : {}),
    ...(values.seconds ? { measureMs: positive(values.seconds, '--seconds') * 1000 } : {}),
  };
  return { ...values, only, peers, plan: { ...plan, ...own, lookup: { ...plan.lookup, ...own } }, own };
}

/** Wrong options: told without a stack. */
class Usage extends Error {}

function namesOf(text, known, option) {
  const wanted = text.split(',').map((name) => name.trim());
  return wanted.flatMap((name) => {
    // A name of its own, or the beginning of several: "growth" is none itself.
    const found = name in known ? [name] : Object.keys(known).filter((each) => each.startsWith(`${name}-`));
    if (found.length === 0) {
      throw new Usage(`${option} does not know "${name}"; there are ${Object.keys(known).join(', ')}`);
    }
    return found;
  });
}

function positive(text, option) {
  const value = Number(text);
  if (!(value > 0)) throw new Usage(`${option} takes a number, not "${text}"`);
  return value;
}

/** Measures what the options ask for. */
async function measure(arena, options) {
  const { plan, peers } = options;
  const lineup = new Lineup(arena, say);
  const results = {};
  for (const [name, { run, peers: needsPeers }] of Object.entries(measurements)) {
    if (!plan.measurements.includes(name)) continue;
    // Gateways that nothing is asked of any more need not be there.
    if (!needsPeers) await lineup.stopPeers();
    const { [name]: special, ...usual } = plan;
    results[name] = await run({ arena, lineup, peers, say, plan: { ...usual, ...special } });
  }
  return results;
}

/** A few requests of each operation to each contestant: does everything start, and is every answer right? */
async function smoke(arena, { peers }) {
  const gateways = await new Lineup(arena, say).getAll(peers);
  for (const name of Object.keys(operations)) {
    for (const [index, peer] of peers.entries()) {
      const gateway = gateways[index];
      const requests = await checked(
        contestants[peer],
        gateway.port,
        operationWorkload(name, { mesh: peer === 'hive' }),
      );
      const { pid, port } = gateway;
      const asked = { pid, port, requests, connections: 5, offset: 0, warmupMs: 0, warmupCount: 50, measureMs: 0 };
      await arena.command('run', asked);
    }
    say(`${operations[name].title}: the same answers from ${peers.join(', ')}`);
  }
}

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(
      help
        .replace('QUICK', plans.quick.measurements.join(', '))
        .replace('DOORS', Object.keys(doorWorkloads()).join(', ')),
    );
    return;
  }
  demandLinux();
  const [load] = loadavg();
  if (load > 0.5 && !options.smoke) say(`this machine is busy (load average ${load.toFixed(1)}): expect wide ranges`);
  const comparesPeers = options.smoke || options.plan.measurements.some((name) => measurements[name]?.peers);
  const needsPeers = !options.profile && comparesPeers && options.peers.some((peer) => !(peer in ownEnvironments));
  if (needsPeers) installPeers(say);
  if (!options['no-build']) build(say);

  const arena = new Arena();
  const stop = (code) => void arena.close().finally(() => process.exit(code));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stop(130));
  const limit = setTimeout(() => {
    say('this takes too long; giving up');
    stop(1);
  }, options.plan.limitMs);
  try {
    await arena.open();
    if (options.smoke) {
      await smoke(arena, options);
      return;
    }
    if (options.profile) {
      process.stdout.write(await profile(arena, { name: options.only?.[0] ?? 'lookup', ...options.own, say }));
      return;
    }
    const machine = describeMachine(load);
    const results = await measure(arena, options);
    const goals = goalsOf(results);
    const tables = [...tablesOf(results), ...(goals.length > 0 ? [goalsTable(goals)] : [])];
    process.stdout.write(`\n${tables.map(toText).join('\n')}`);
    if (options.write) {
      const { connections, rounds, measureMs } = { ...options.plan, ...options.plan.lookup };
      const run = {
        machine,
        versions: describeVersions(),
        options: { connections, rounds, measureMs },
        results,
        goals,
      };
      const written = await writeResults({ date: new Date().toISOString().slice(0, 10), ...run }, options.beside);
      say(`wrote ${written}`);
    }
  } finally {
    clearTimeout(limit);
    await arena.close();
  }
}

main().catch((error) => {
  process.stderr.write(`bench: ${error instanceof Usage ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
