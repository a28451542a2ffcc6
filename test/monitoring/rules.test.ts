/** The rules of Prometheus as they are written; alerts.test.ts has the alerts fire. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { parseDuration } from '../../src/config/duration';
import type { Decoded } from '../gateway-fixture';
import { isInstalled } from '../is-installed';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const rules: readonly Decoded[] = parse(read('monitoring/rules.yml')).groups.flatMap((group: Decoded) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);

test('the rules of Kubernetes and of docker compose have one text', () => {
  const from = (text: string): string => text.slice(text.search(/^ *groups:/m));
  const indented = from(read('monitoring/rules.yml')).replace(/^(?=.)/gm, '  ');
  expect(from(read('k8s/api-gateway-prometheusrule.yaml'))).toBe(indented);
});

test('p99 is recorded, and these alerts are there', () => {
  expect(rules.flatMap(({ record }) => record ?? [])).toEqual(['http_request_latency_seconds_p99']);
  expect(alerts.map(({ alert, labels }) => [alert, labels.priority, labels.severity])).toEqual([
    ['HighHttp5xxErrorRate', 'P1', 'critical'],
    ['HighApiLatency', 'P2', 'warning'],
    ['HighAiServiceErrorRate', 'P2', 'warning'],
    ['AuthServiceUnreachable', 'P1', 'critical'],
  ]);
});

test('the README has them', () => {
  const [, section = ''] = /\n## Monitoring\n(.*?)\n## /s.exec(read('README.md')) ?? [];
  const told = [...section.matchAll(/^\| `(\w+)` *\| (P\d) /gm)].map(([, name, priority]) => [name, priority]);
  expect(told).toEqual(alerts.map(({ alert, labels }) => [alert, labels.priority]));
});

test.each(alerts.map((rule) => [rule.alert, rule]))('%s says what is wrong, and where to read on', (name, rule) => {
  const { annotations, labels } = rule;
  expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook_url']);
  expect(annotations.description).toContain('{{ $value | humanizePercentage }}');
  const [url, anchor] = annotations.runbook_url.split('#');
  expect(url).toBe('https://github.com/your-org/api-gateway/blob/main/docs/runbook.md');
  expect(anchor).toBe(`${name}-${labels.priority}`.toLowerCase());
  // Somebody is called within two minutes of the condition.
  expect(parseDuration(rule.for)).toBeLessThanOrEqual(120_000);
});

(isInstalled('promtool') ? describe : describe.skip)('by promtool', () => {
  const promtool = (...parameters: string[]): { status: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync('promtool', parameters, { cwd: root, encoding: 'utf8' });
    return { status, output: stdout + stderr };
  };

  test('configuration and rules are valid, without anything that its linter finds', () => {
    const { status, output } = promtool('check', 'config', '--lint-fatal', 'monitoring/prometheus.yml');
    expect(output).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(status).toBe(0);
  });

  test('alerts fire when they should, stay quiet when they should, and clear', () => {
    const { status, output } = promtool('test', 'rules', 'test/monitoring/rules.promtool.yml');
    expect(output).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});
