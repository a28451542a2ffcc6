/** Tables for the terminal and for Markdown. */

const number = (value, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const range = ({ min, max }, digits = 0) => `${number(min, digits)}-${number(max, digits)}`;

/**
 * Everything measured, as tables.
 *
 * @returns `[{ title, head, rows }]`, cells as text
 */
export function tablesOf(results) {
  return Object.values(results).flatMap((result) => {
    if (result.kilobytes) return [streamsTable(result)];
    if (result.delays) return [delaysTable(result)];
    if (result.rows[0].milliseconds) return [startTable(result)];
    return [comparisonTable(result)];
  });
}

function comparisonTable({ title, base, rows }) {
  const withMemory = rows.some(({ rss }) => rss !== undefined);
  return {
    title,
    head: ['', 'µs of CPU', 'range', 'ratio', 'range', 'requests/s', 'p50 ms', 'p99 ms', ...(withMemory ? ['MB'] : [])],
    rows: rows.map(({ label, cpuPerRequest, ratio, throughput, p50, p99, rss }) => [
      label,
      number(cpuPerRequest.median),
      range(cpuPerRequest),
      label === base ? '1' : number(ratio.median, 2),
      label === base ? '' : range(ratio, 2),
      number(throughput.median),
      number(p50.median, 1),
      number(p99.median, 1),
      ...(withMemory ? [rss === undefined ? '' : number(rss)] : []),
    ]),
  };
}

function streamsTable({ title, kilobytes }) {
  return {
    title,
    head: ['', 'KB', 'range'],
    rows: [['api-gateway', number(kilobytes.median, 1), range(kilobytes, 1)]],
  };
}

function delaysTable({ title, delays }) {
  return {
    title,
    head: ['', 'first event, ms', 'range', 'cancelled, ms', 'range'],
    rows: delays.map(({ label, first, cancelled }) => [
      label,
      number(first.median, 2),
      range(first, 2),
      number(cancelled.median, 2),
      range(cancelled, 2),
    ]),
  };
}

function startTable({ title, rows }) {
  return {
    title,
    head: ['', 'ms', 'range', 'times'],
    rows: rows.map(({ label, milliseconds, times }) => [
      label,
      number(milliseconds.median),
      range(milliseconds),
      String(times),
    ]),
  };
}

/** What the gateway is meant to reach, and what it did; of what was measured only. */
export function goalsOf(results) {
  const row = (measurement, name) => results[measurement]?.rows.find((each) => each.name === name);
  const ratioTo = (measurement, name, otherName) => {
    const [one, other] = [row(measurement, name), row(measurement, otherName)];
    return one && other && middle(one.rounds.map((round, i) => round.cpuPerRequest / other.rounds[i].cpuPerRequest));
  };
  const goals = [
    ['look-up to bare', 0.35, ratioTo('lookup', 'ours', 'bare')],
    ['look-up to Hive Gateway', 0.33, ratioTo('lookup', 'ours', 'hive')],
    ['look-up to Mercurius with JIT', 1, ratioTo('lookup', 'ours', 'mercurius')],
    ['REST look-up to GraphQL look-up', 1, ratioTo('doors', 'rest', 'graphql')],
    ['list of 100 to bare', 0.25, ratioTo('list', 'ours', 'bare')],
    ['join of 100 to bare', 0.5, ratioTo('join', 'ours', 'bare')],
    ['401 to a look-up', 0.5, ratioTo('doors', 'refused401', 'graphql')],
    ['403 to a look-up', 0.5, ratioTo('doors', 'refused403', 'graphql')],
    ['too dear to a look-up', 1, ratioTo('doors', 'refusedCost', 'graphql')],
    ['look-up with 1 % traced to one without', 1.05, ratioTo('tracing', 'on', 'off')],
    ...['schema', 'connections', 'documents', 'sessions'].map((what) => {
      const rows = results[`growth-${what}`]?.rows;
      return [
        `growth: ${what}`,
        what === 'connections' ? 1.15 : 1.1,
        rows && Math.max(...rows.slice(1).map(({ ratio }) => ratio.median)),
      ];
    }),
    ['KB per open stream', 25, results.streams?.kilobytes.median],
    ['ms of a first event, upstream to client', 10, largest(results.delays, ({ first }) => first.median)],
    ['ms of a cancellation, client to upstream', 100, largest(results.delays, ({ cancelled }) => cancelled.max)],
    ['ms of npm start to ready', 1000, results.start?.rows[0].milliseconds.median],
    ['MB after the look-ups', 160, row('lookup', 'ours')?.rss],
  ];
  return goals
    .filter(([, , value]) => value !== undefined)
    .map(([title, limit, value]) => ({ title, limit, value, reached: value <= limit }));
}

function largest(result, figure) {
  return result && Math.max(...result.delays.map(figure));
}

function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

export function goalsTable(goals) {
  const digits = (value) => (value <= 10 ? 2 : 0);
  return {
    title: 'goals',
    head: ['', 'at most', 'is', ''],
    rows: goals.map(({ title, limit, value, reached }) => [
      title,
      number(limit, digits(limit)),
      number(value, digits(limit)),
      reached ? 'reached' : 'missed',
    ]),
  };
}

/** A table for the terminal: the first column to the left, numbers to the right. */
export function toText({ title, head, rows }) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => [...cells[column]].length)));
  const line = (cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return `${title}\n${[head, ...rows].map((cells) => `  ${line(cells)}`).join('\n')}\n`;
}

/** A table for Markdown, laid out as prettier does it. */
export function toMarkdown({ head, rows }) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((cells) => cells[column].length)));
  const line = (cells) =>
    `| ${cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** Multiples of the bare proxy's cost as bars, for a light and a dark page alike. */
export function toChart(results, caption) {
  const groups = ['lookup', 'list', 'join'].filter((name) => results[name]);
  const bar = { height: 18, gap: 6, left: 190, width: 400 };
  const parts = [];
  let y = 40;
  for (const name of groups) {
    const { title, rows } = results[name];
    const longest = Math.max(...rows.map(({ ratio }) => ratio.median));
    parts.push(text(16, y + 4, `${title}, CPU time to the bare proxy`, 'font-weight="bold"'));
    y += 16;
    for (const { name: peer, label, ratio, cpuPerRequest } of rows) {
      const width = Math.max(1, Math.round((ratio.median / longest) * bar.width));
      const color = peer === 'ours' ? '#1a7f5a' : peer === 'bare' ? '#57606a' : '#8c959f';
      parts.push(
        text(bar.left - 8, y + 13, label, 'text-anchor="end"'),
        `<rect x="${bar.left}" y="${y}" width="${width}" height="${bar.height}" rx="2" fill="${color}"/>`,
        text(
          bar.left + width + 8,
          y + 13,
          `${number(ratio.median, 2)} (${number(cpuPerRequest.median)} µs)`,
          peer === 'ours' ? 'font-weight="bold"' : '',
        ),
      );
      y += bar.height + bar.gap;
    }
    y += 22;
  }
  parts.push(text(16, y, caption, 'fill-opacity="0.7"'));
  const [width, height] = [740, y + 16];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="CPU time per request to the bare proxy">
  <rect width="${width}" height="${height}" fill="#ffffff"/>
  ${parts.join('\n  ')}
</svg>
`;
}

function text(x, y, content, attributes = '') {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" fill="#1f2328"${attributes === '' ? '' : ` ${attributes}`}>${escaped}</text>`;
}

/** The lines of the README between its two marks: the goals' figures of the newest run. */
export function readmeSection(run) {
  const { results, machine, date } = run;
  const headline = results.lookup && {
    ...tablesOf({ lookup: results.lookup })[0],
  };
  return [
    `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}. CPU time of the gateway process per request, user and system;`,
    'medians of interleaved rounds, ratios to the bare proxy, which has no sessions, no limits, no metrics and no log.',
    '',
    `![CPU time per request to the bare proxy](test/bench/results.svg)`,
    '',
    ...(headline ? [toMarkdown(headline), ''] : []),
    'All workloads, ranges and versions are in [test/bench/results.md](test/bench/results.md); `npm run bench` measures again.',
  ].join('\n');
}

/** µs of CPU that a replica has in a second where k8s/api-gateway-hpa.yaml keeps it: 600m of a core. */
const cpuOfReplica = 600_000;

/** The lines of docs/runbook.md between its two marks: how many requests a second one replica carries. */
export function capacitySection({ results, machine, date }) {
  const rows = [
    ['look-up of one user, GraphQL', 'lookup', 'ours'],
    ['the same, REST', 'doors', 'rest'],
    ['mutation of 2 KB', 'mutation', 'ours'],
    ['40 fields, five RPCs', 'fields', 'ours'],
    ['list of 100 users', 'list', 'ours'],
    ['join of 100 over two services', 'join', 'ours'],
  ].map(([label, measurement, name]) => {
    const { median, max } = results[measurement].rows.find((each) => each.name === name).cpuPerRequest;
    return [label, ...[median, max].flatMap((µs) => [number(µs), number(roundedDown(cpuOfReplica / µs))])];
  });
  const memory = Object.values(results).flatMap(
    (result) => result.rows?.find(({ name }) => name === 'ours')?.rss ?? [],
  );
  return [
    `Measured ${date} on ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}.`,
    '',
    toMarkdown({ head: ['request', 'µs, median', 'requests/s', 'µs, worst round', 'requests/s'], rows }),
    '',
    `Resident memory after these: ${number(Math.min(...memory))} to ${number(Math.max(...memory))} MB.`,
    `An open stream took ${number(Math.max(0, results.streams.kilobytes.max), 1)} KB in the worst round.`,
  ].join('\n');
}

/** To two digits: the figures are not better than that. */
function roundedDown(value) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.floor(value / unit) * unit;
}

/**
 * The file of all figures.
 *
 * @param chart - Name of the chart beside it.
 */
export function resultsFile(run, chart) {
  const { date, machine, versions, options, results, goals } = run;
  const tables = tablesOf(results).map((table) => `## ${capital(table.title)}\n\n${toMarkdown(table)}`);
  const facts = [
    date,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory}`,
    `Linux ${machine.kernel}, Node ${machine.node}`,
    `load average at the start ${machine.load}`,
    `${options.connections} connections`,
    `${options.rounds} rounds of ${options.measureMs / 1000} s for the look-up`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ];
  return `# Benchmark

${facts.map((fact) => `- ${fact}`).join('\n')}

Written by \`npm run bench -- --write\`. The figure is CPU time of the gateway process per request, user and system, as the
operating system counts it. Ratios are taken within a round and are to the first row of each table.

![CPU time per request to the bare proxy](${chart})

## Goals

${toMarkdown(goalsTable(goals))}

${tables.join('\n\n')}
`;
}

const capital = (title) => title[0].toUpperCase() + title.slice(1);
