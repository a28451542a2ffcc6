/** The middle of some numbers, and how far they reach. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[Math.floor(middle) - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

/** Spread of each figure of some rounds. */
export function summarize(rounds) {
  const names = ['cpuPerRequest', 'cpuShare', 'throughput', 'p50', 'p99'];
  return Object.fromEntries(names.map((name) => [name, spread(rounds.map((round) => round[name]))]));
}

/** Round by round, how many times one figure is another. */
export function ratio(rounds, baseRounds) {
  return spread(rounds.map(({ cpuPerRequest }, index) => cpuPerRequest / baseRounds[index].cpuPerRequest));
}
