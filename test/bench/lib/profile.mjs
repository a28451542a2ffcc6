/** Where the gateway's CPU time goes: a profile of V8's sampler while one operation is asked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checked } from './check.mjs';
import { contestants } from './measurements.mjs';
import { rootDir } from './paths.mjs';
import { toText } from './report.mjs';
import { operationWorkload } from './workloads.mjs';

const warmup = { warmupMs: 3_000, warmupCount: 5_000, limitMs: 12_000 };

/** @returns tables of self time: by module, and by function */
export async function profile(arena, { name, connections = 32, measureMs = 5_000, say }) {
  const folder = join(arena.folder, 'profile');
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
  const gateway = await arena.startOurs('ours-profile', { nodeOptions });
  const { pid, port } = gateway;
  const requests = await checked(contestants.ours, port, operationWorkload(name));
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
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const self = new Map();
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    at += timeDeltas[index];
    if (at < endTime - measureMs * 1000) continue;
    self.set(id, (self.get(id) ?? 0) + timeDeltas[index]);
  }
  const functions = new Map();
  const modules = new Map();
  for (const [id, microseconds] of self) {
    const frame = byId.get(id);
    add(functions, `${frame.functionName || '(anonymous)'}  ${placeOf(frame)}`, microseconds);
    add(modules, moduleOf(frame), microseconds);
  }
  return [
    tableOf(`self time by module, ${name}`, modules, cpuPerRequest, 30),
    tableOf(`self time by function, ${name}`, functions, cpuPerRequest, 40),
  ].join('\n');
}

const add = (sums, key, value) => sums.set(key, (sums.get(key) ?? 0) + value);

function pathOf({ url }) {
  return url.startsWith('file:') ? relative(rootDir, fileURLToPath(url)) : url;
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

/** Samples are of wall time; their shares of it are of the CPU time that the operating system counted. */
function tableOf(title, sums, cpuPerRequest, most) {
  const busy = [...sums].filter(([key]) => !key.startsWith('(idle)'));
  const total = busy.reduce((sum, [, value]) => sum + value, 0);
  const rows = busy
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([key, value]) => [
      key,
      `${((value / total) * 100).toFixed(1)} %`,
      ((value / total) * cpuPerRequest).toFixed(1),
    ]);
  return toText({ title, head: ['', 'of busy', 'µs/request'], rows });
}
