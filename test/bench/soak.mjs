/**
 * `npm run bench:soak`: hours of mixed load on one gateway, to see whether its memory stays flat. Look-ups by GraphQL and
 * REST, by bearer and cookie, lists, joins, mutations, refusals, many sessions, many documents, and streams that come and
 * go. Every answer is checked. Ends with 1 where memory, or the number of open files, has grown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Arena } from './lib/arena.mjs';
import { checked } from './lib/check.mjs';
import { demandLinux, openFiles, residentMegabytes } from './lib/proc.mjs';
import { build } from './lib/setup.mjs';
import { spread } from './lib/stats.mjs';
import {
  documentsWorkload,
  doorWorkloads,
  operations,
  operationWorkload,
  sessionsWorkload,
  streamRequest,
  toBytes,
} from './lib/workloads.mjs';

const help = `npm run bench:soak -- [options]

  --minutes N       how long (60)
  --connections N   connections of the load generator (16)
  --no-build        takes dist/ as it is
  --help
`;

/** Memory at the end to memory early on, at most. */
const mostGrowth = 1.05;
const streamsAtATime = 100;
const samplesPerMinute = 12;

const say = (line) => process.stdout.write(`${line}\n`);

/** Everything that is asked, mixed so that no two requests in a row are alike. */
async function mixture(port) {
  const workloads = [
    ...Object.keys(operations).map((name) => operationWorkload(name)),
    ...Object.values(doorWorkloads()),
    documentsWorkload(3_000),
    sessionsWorkload(3_000),
  ];
  const lists = [];
  for (const workload of workloads) lists.push(await checked('the gateway', port, workload));
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.map((list) => list[i % list.length])).flat();
}

/** What is open once the connections that have ended are gone. */
async function openFilesAtRest(pid) {
  let files = Infinity;
  for (let now = openFiles(pid); now < files; now = openFiles(pid)) {
    files = now;
    await sleep(500);
  }
  return files;
}

async function soak(arena, { minutes, connections }) {
  // All streams are of one session, and some are not yet gone when the next ones come.
  const gateway = await arena.startOurs('ours', { env: { MAX_STREAMS_PER_SESSION: '1000' } });
  const { pid, port } = gateway;
  const requests = await mixture(port);
  // Minute ten of an hour; of a shorter run, what is as early in it.
  const early = Math.max(1, Math.min(10, Math.floor(minutes / 3)));
  const perMinute = [];
  let offset = 0;
  for (let minute = 1; minute <= minutes; minute++) {
    const samples = [];
    const sampling = setInterval(() => samples.push(residentMegabytes(pid)), 60_000 / samplesPerMinute);
    try {
      await arena.command('openStreams', { port, count: streamsAtATime, bytes: toBytes(streamRequest) });
      const options = { pid, port, connections, requests, offset, warmupMs: 500, measureMs: 58_000 };
      const result = await arena.command('run', options);
      await arena.command('closeStreams', {});
      offset = result.offset % requests.length;
      const memory = spread(samples).median;
      perMinute.push({ memory, files: await openFilesAtRest(pid) });
      say(
        `minute ${minute} of ${minutes}: ${memory.toFixed(0)} MB, ${perMinute.at(-1).files} open files, ${Math.round(result.throughput)} requests/s, ${Math.round(result.cpuPerRequest)} µs each`,
      );
    } finally {
      clearInterval(sampling);
    }
    // An hour of access lines need not be kept.
    arena.truncateLog('ours');
  }
  const [then, now] = [perMinute[early - 1], perMinute.at(-1)];
  const growth = now.memory / then.memory;
  const steady = growth <= mostGrowth && now.files <= then.files + connections;
  say(
    `memory at the end to minute ${early}: ${growth.toFixed(3)}, at most ${mostGrowth}; open files ${then.files}, then ${now.files}: ${steady ? 'steady' : 'GROWN'}`,
  );
  return steady;
}

async function main() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      connections: { type: 'string', default: '16' },
      'no-build': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const [minutes, connections] = [Number(values.minutes), Number(values.connections)];
  if (!(minutes >= 1 && connections >= 1)) throw new Error('--minutes and --connections take a number from 1');
  demandLinux();
  if (!values['no-build']) build(say);
  const arena = new Arena();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => void arena.close().finally(() => process.exit(130)));
  }
  try {
    await arena.open();
    if (!(await soak(arena, { minutes, connections }))) process.exitCode = 1;
  } finally {
    await arena.close();
  }
}

main().catch((error) => {
  process.stderr.write(`bench:soak: ${error.stack}\n`);
  process.exitCode = 1;
});
