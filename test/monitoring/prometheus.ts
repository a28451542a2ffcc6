/** A real Prometheus, with the configuration and the rules of `monitoring/`. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { until, type Decoded } from '../gateway-fixture';

const folder = join(__dirname, '../../monitoring');

/** Whether a command is there; says so where it is not, and that the tests with it are left out. */
export function isInstalled(command: 'prometheus' | 'promtool'): boolean {
  if (spawnSync(command, ['--version']).status === 0) return true;
  console.warn(`The tests with ${command} are SKIPPED: it is not here. Debian has it in the package prometheus.`);
  return false;
}

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

/** Starts it on a port of its own, as `monitoring/prometheus.yml` has it but for what it scrapes, and how often: each second. */
export async function startPrometheus(targets: readonly Target[]): Promise<Prometheus> {
  const data = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const config: Decoded = parse(readFileSync(join(folder, 'prometheus.yml'), 'utf8'));
  Object.assign(config.global, { scrape_interval: '1s', evaluation_interval: '1s' });
  config.rule_files = config.rule_files.map((name: string) => join(folder, name));
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
