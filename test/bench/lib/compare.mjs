import { ratio, summarize } from './stats.mjs';

/** Until the compiler has seen enough, which takes requests, however long a busy machine needs for them. */
const warmFor = ({ warmMs, warmCount, warmLimitMs }) => ({
  warmupMs: warmMs,
  warmupCount: warmCount,
  limitMs: warmLimitMs,
});

/**
 * Measures contestants against each other: in every round each of them once, beginning with another one each time, so
 * that what else the machine does falls on all of them alike.
 *
 * @param entries - `{ name, label, gateway: { pid, port }, requests, warmUp?, connections? }`; the first one is what the
 * others are compared with, and `warmUp` are requests that come before the others, and are not measured.
 * @param plan - `{ connections, rounds, warmMs, warmCount, warmLimitMs, rewarmMs, measureMs }`
 */
export async function compare(arena, title, entries, plan, say) {
  const contestants = entries.map((entry) => ({ ...entry, offset: 0, rounds: [] }));

  async function run(contestant, options) {
    const { gateway, connections = plan.connections, label } = contestant;
    try {
      const result = await arena.command('run', {
        pid: gateway.pid,
        port: gateway.port,
        connections,
        offset: contestant.offset,
        requests: contestant.requests,
        ...options,
      });
      contestant.offset = result.offset % contestant.requests.length;
      return result;
    } catch (error) {
      throw new Error(`${title}, ${label}: ${error.message}\n${arena.logOf(gateway.name)}`, { cause: error });
    }
  }

  for (const contestant of contestants) {
    const { warmUp: requests } = contestant;
    if (requests) await run(contestant, { ...warmFor(plan), requests, measureMs: 0 });
    await run(contestant, { ...warmFor(plan), measureMs: 0 });
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(round + turn) % contestants.length];
      contestant.rounds.push(await run(contestant, { warmupMs: plan.rewarmMs, measureMs: plan.measureMs }));
    }
    const figures = contestants.map(({ name, rounds }) => `${name} ${Math.round(rounds.at(-1).cpuPerRequest)}`);
    say(`${title}, round ${round + 1} of ${plan.rounds}, µs: ${figures.join(', ')}`);
  }

  return resultOf(title, contestants);
}

/** Puts measurements of the same contestants together that were made with other processes. */
export function merge(results) {
  const [first] = results;
  const rows = first.rows.map(({ name, label }, index) => ({
    name,
    label,
    rounds: results.flatMap((result) => result.rows[index].rounds),
  }));
  return resultOf(first.title, rows);
}

function resultOf(title, contestants) {
  const [base] = contestants;
  return {
    title,
    base: base.label,
    rows: contestants.map(({ name, label, rounds }) => ({
      name,
      label,
      ...summarize(rounds),
      ratio: ratio(rounds, base.rounds),
      rounds,
    })),
  };
}
