/** A real Prometheus, with the configuration and the rules of `monitoring/`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { until, type Decoded } from '../gateway-fixture';

const folder = join(__dirname, '../../monitoring');

/** A gateway to scrape. */
export interface Target {
  /** Its admin listener. */
  readonly adminUrl: string;
  /** As service discovery has them. */
  readonly labels: { readonly namespace: string; readonly pod: string };
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds since the epoch, and the value. */
  readonly value: readonly [number, string];
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface Prometheus {
  /** What an expression gives now. @throws Error where it is none. */
  query(expr: string): Promise<readonly Sample[]>;
  /** The values of a label among the series of a selector. */
  labelValues(label: string, selector: string): Promise<readonly string[]>;
  alerts(): Promise<readonly Alert[]>;
  close(): Promise<void>;
}

/** How many times as fast as shipped everything goes by: a scrape each second, and windows and waits of the rules to match. */
const speed = 15;

function faster(duration: string): string {
  const [, number, unit] = /^(\d+)(s|m)$/.exec(duration) ?? [];
  if (unit === undefined) throw new Error(`${duration} is neither in seconds nor in minutes`);
  return `${(Number(number) * (unit === 'm' ? 60_000 : 1_000)) / speed}ms`;
}

function fasterRules(text: string): Decoded {
  const rules: Decoded = parse(text);
  for (const rule of rules.groups.flatMap((group: Decoded) => group.rules)) {
    rule.expr = rule.expr.replaceAll(/\[(\w+)\]/g, (_: string, window: string) => `[${faster(window)}]`);
    if (rule.for !== undefined) rule.for = faster(rule.for);
  }
  return rules;
}

/** Starts it on a port of its own, as `monitoring/` has it but for what it scrapes, and its {@link speed}. */
export async function startPrometheus(targets: readonly Target[]): Promise<Prometheus> {
  const data = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const config: Decoded = parse(readFileSync(join(folder, 'prometheus.yml'), 'utf8'));
  for (const interval of ['scrape_interval', 'evaluation_interval']) {
    config.global[interval] = faster(config.global[interval]);
  }
  for (const name of config.rule_files) {
    writeFileSync(join(data, name), stringify(fasterRules(readFileSync(join(folder, name), 'utf8'))));
  }
  config.scrape_configs[0].static_configs = targets.map(({ adminUrl, labels }) => ({
    targets: [new URL(adminUrl).host],
    labels,
  }));
  writeFileSync(join(data, 'prometheus.yml'), stringify(config));
  const child = spawn(
    'prometheus',
    [`--config.file=${data}/prometheus.yml`, `--storage.tsdb.path=${data}/tsdb`, '--web.listen-address=127.0.0.1:0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const closed = once(child, 'close');
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));

  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
    rmSync(data, { recursive: true });
  };
  try {
    await until(
      () => child.exitCode ?? /msg="Server is ready/.test(log),
      (ready) => ready !== false,
    );
    if (child.exitCode !== null) throw new Error(`prometheus has ended: ${log}`);
  } catch (error) {
    await close();
    throw error;
  }
  const url = `http://${/msg="Listening on".* address=(\S+)/.exec(log)?.[1]}/api/v1`;

  async function get(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Decoded> {
    const response = await fetch(`${url}/${path}?${String(new URLSearchParams(parameters))}`);
    const answer = await response.json();
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  }

  return {
    query: async (expr) => (await get('query', { query: expr })).result,
    labelValues: (label, selector) => get(`label/${label}/values`, { 'match[]': selector }),
    alerts: async () => (await get('alerts')).alerts,
    close,
  };
}
