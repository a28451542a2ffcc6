/** Where the gateway's CPU time goes: a profile of V8's sampler while one operation is asked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checked } from './check.mjs';
import { contestants } from './measurements.mjs';
import { rootDir } from './paths.mjs';
import { toText } from './report.mjs';
import { doorWorkloads, operations, operationWorkload } from './workloads.mjs';

const warmup = { warmupMs: 3_000, warmupCount: 5_000, limitMs: 12_000 };

/** @returns tables: where the time is spent itself, by module and by function, and with what is called from there */
export async function profile(arena, { name, connections = 32, measureMs = 5_000, say }) {
  const folder = join(arena.folder, 'profile');
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
  const gateway = await arena.startOurs('ours-profile', { nodeOptions });
  const { pid, port } = gateway;
  const workload = Object.hasOwn(operations, name) ? operationWorkload(name) : doorWorkloads()[name];
  const requests = await checked(contestants.ours, port, workload);
  say(`asking for ${name}; after a warm-up, ${measureMs / 1000} s count`);
  const { cpuPerRequest } = await arena.command('run', {
    pid,
    port,
    requests,
    connections,
    offset: 0,
    ...warmup,
    measureMs,
  });
  // The profile is written when the process ends in good order.
  await gateway.stop();
  const [file] = readdirSync(folder);
  const { nodes, samples, timeDeltas, startTime, endTime } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const frames = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const [byModule, byFunction, withCallees] = [new Map(), new Map(), new Map()];
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    const took = timeDeltas[index];
    at += took;
    if (at < endTime - measureMs * 1000) continue;
    const stack = [];
    for (let each = id; each !== undefined; each = parents.get(each)) stack.push(frames.get(each).callFrame);
    const [top] = stack;
    if (top.functionName === '(idle)') continue;
    add(byFunction, nameOf(top), took);
    // What V8 and libuv do is done for whoever called them.
    add(byModule, moduleOf(stack.find(({ url }) => url !== '') ?? top), took);
    const named = stack.filter((frame) => frame.url !== '' && !frame.url.startsWith('node:'));
    for (const each of new Set(named.map(nameOf))) add(withCallees, each, took);
  }
  const busy = [...byFunction.values()].reduce((sum, value) => sum + value, 0);
  /** Samples are of wall time; their shares of it are of the CPU time that the operating system counted. */
  const tableOf = (title, sums, most) => {
    const rows = [...sums]
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([key, value]) => [
        key,
        `${((value / busy) * 100).toFixed(1)} %`,
        ((value / busy) * cpuPerRequest).toFixed(1),
      ]);
    return toText({ title, head: ['', 'of busy', 'µs/request'], rows });
  };
  return [
    tableOf(`${name}: self time by module, native code counted for its caller`, byModule, 30),
    tableOf(`${name}: self time by function`, byFunction, 40),
    tableOf(`${name}: time by function, with what it calls before it first waits`, withCallees, 60),
  ].join('\n');
}

const add = (sums, key, value) => sums.set(key, (sums.get(key) ?? 0) + value);

function pathOf({ url }) {
  return url.startsWith('file:') ? relative(rootDir, fileURLToPath(url)) : url;
}

function nameOf(frame) {
  return `${frame.functionName || '(anonymous)'}  ${placeOf(frame)}`;
}

function placeOf(frame) {
  const path = pathOf(frame);
  return path === '' ? '(native)' : `${path.replace(/^.*node_modules\//, '')}:${frame.lineNumber + 1}`;
}

/** A package, a folder of the gateway's own, or a module of Node. */
function moduleOf(frame) {
  const path = pathOf(frame);
  if (path === '') return frame.functionName.startsWith('(') ? frame.functionName : '(native)';
  const inPackage = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  if (inPackage) return inPackage;
  return path.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
}
