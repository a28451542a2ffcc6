/** docker-compose.yml and what is mounted by it, as far as it can be told without Docker. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readConfig } from '../../src/config/config';
import { parseDuration } from '../../src/config/duration';
import { variables } from '../../src/config/variables';
import { loadSources } from '../../src/schema/sources';
import type { Decoded } from '../gateway-fixture';
import { documentsOf } from './manifests/files';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const load = (path: string): Decoded => parse(read(path), { merge: true });

const { services }: { services: Record<string, Decoded> } = load('docker-compose.yml');
const named = Object.entries(services);
const gateway: Decoded = services['api-gateway'];

test('everything is there', () => {
  expect(Object.keys(services).sort()).toEqual([
    'ai-service',
    'api-gateway',
    'auth-service',
    'grafana',
    'idp',
    'prometheus',
    'redis',
  ]);
});

describe.each(named)('%s', (name, service) => {
  test('is built here, or an image of one version', () => {
    if (service.build) {
      expect(service.build.context).toBe('.');
      expect(read('Dockerfile')).toContain(`AS ${service.build.target}\n`);
    } else {
      expect(service.image).toMatch(/^[\w/-]+:v?\d+\.\d+[\w.-]*$/);
    }
  });

  test('has nothing but known settings', () => {
    // Docker itself would refuse others; `docker compose config` does so in CI.
    const known =
      'build cap_drop command depends_on environment healthcheck image init mem_limit network_mode networks ports read_only ' +
      'security_opt stop_grace_period tmpfs volumes';
    expect(Object.keys(service).filter((key) => !known.split(' ').includes(key))).toEqual([]);
    for (const value of Object.values(service.environment ?? {})) expect(typeof value).toBe('string');
  });

  test('says when it is healthy', () => {
    // The gateway's image does.
    const command = service.build?.target === 'production' ? ['CMD'] : service.healthcheck.test;
    expect(command[0]).toBe('CMD');
    for (const part of command) expect(typeof part).toBe('string');
    expect(service.healthcheck.interval).toMatch(/^\d+s$/);
  });

  test('waits for what is there, and never in a circle', () => {
    const needs = (each: string): string[] => [
      ...Object.keys(services[each]?.depends_on ?? {}),
      ...(/^service:(.*)$/.exec(services[each]?.network_mode ?? '')?.slice(1) ?? []),
    ];
    for (const { condition } of Object.values<Decoded>(service.depends_on ?? {})) {
      expect(condition).toBe('service_healthy');
    }
    const seen = new Set<string>();
    const follow = (each: string): void => {
      for (const needed of needs(each)) {
        expect(services).toHaveProperty([needed]);
        expect(needed).not.toBe(name);
        if (!seen.has(needed)) follow(needed);
        seen.add(needed);
      }
    };
    follow(name);
  });

  test('is open to this machine alone', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    if (service.network_mode) expect(service).not.toHaveProperty('ports');
  });

  test('mounts what is there, to be read', () => {
    for (const volume of service.volumes ?? []) {
      const [, path] = /^\.\/([\w/]+):\/[\w/]+:ro$/.exec(volume) ?? [];
      expect(existsSync(join(root, path ?? 'none'))).toBe(true);
    }
  });
});

test('no port of this machine is taken twice', () => {
  const ports = named.flatMap(([, { ports: each = [] }]) => each.map((port: string) => port.split(':')[1]));
  expect(ports).toHaveLength(new Set(ports).size);
});

describe('the gateway', () => {
  const sources = { schemaDir: join(root, 'schema'), protoDir: join(root, 'proto') };
  const config = readConfig(gateway.environment, loadSources(sources).upstreamNames);

  test('is configured', () => {
    // A new secret at each start suits development.
    expect(config.warnings).toEqual([expect.stringContaining('SESSION_SECRET')]);
    const names = new Set<string>(Object.values(variables).map(({ name }) => name));
    const fixed = Object.keys(gateway.environment).filter((name) => !/_SERVICE_ADDR$|^SSO_DEV_/.test(name));
    expect(fixed.filter((name) => !names.has(name))).toEqual([]);
    // Set as soon as there is something to set.
    expect('REDIS_URL' in gateway.environment).toBe(names.has('REDIS_URL'));
  });

  test('shares one localhost with all that the sign-in needs, and its ports are published there', () => {
    for (const name of ['api-gateway', 'auth-service', 'ai-service']) {
      expect(services[name]?.network_mode).toBe('service:idp');
    }
    const issuer = config.signIn.providers[0]?.issuer ?? '';
    const published = [config.port, config.adminPort, Number(new URL(issuer).port)];
    expect(services['idp']?.ports).toEqual(published.map((port) => `127.0.0.1:${port}:${port}`));
    expect(config.publicUrl).toBe(`http://localhost:${config.port}`);
  });

  test('finds the development services where they listen by default', () => {
    const portOf = (name: string): string | undefined =>
      /defaultPort: (\d+)/.exec(read(`test/upstreams/${name}/main.ts`))?.[1];
    expect(config.upstreams['auth']?.target).toBe(`127.0.0.1:${portOf('auth')}`);
    expect(config.upstreams['ai']?.target).toBe(`127.0.0.1:${portOf('ai')}`);
    expect(config.signIn.providers[0]?.issuer).toBe(`http://localhost:${portOf('idp')}`);
    for (const [name, folder] of Object.entries({ 'auth-service': 'auth', 'ai-service': 'ai', idp: 'idp' })) {
      expect(services[name]?.command).toEqual(['node', '--import', 'tsx', `test/upstreams/${folder}/main.ts`]);
      expect(services[name]?.healthcheck.test.join(' ')).toContain(portOf(folder));
    }
    // From outside of their network nothing comes but to the provider.
    expect(services['idp']?.environment).toEqual({ DEV_HOST: '0.0.0.0' });
  });

  test('runs as in Kubernetes', () => {
    const objects = documentsOf(read('k8s/api-gateway-deployment.yaml'));
    const [container] = objects.find(({ kind }) => kind === 'Deployment').spec.template.spec.containers;
    expect(`${parseInt(gateway.mem_limit, 10)}Mi`).toBe(container.resources.limits.memory);
    expect(gateway).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(parseDuration(gateway.stop_grace_period)).toBeGreaterThan(config.shutdownGrace);
  });
});

describe('Prometheus and Grafana', () => {
  const prometheus = load('monitoring/prometheus.yml');
  const [datasource]: Decoded[] = load('monitoring/grafana/datasources/prometheus.yml').datasources;
  const [provider]: Decoded[] = load('monitoring/grafana/dashboards/provider.yml').providers;
  const targets = (service: Decoded): string[] => service.volumes.map((volume: string) => volume.split(':')[1]);

  test('Prometheus scrapes the gateway as it does in Kubernetes', () => {
    const [job]: Decoded[] = prometheus.scrape_configs;
    const [alias] = services['idp']!.networks.default.aliases;
    expect(job).toEqual({
      job_name: 'api-gateway',
      static_configs: [
        {
          targets: [`${alias}:${variables.adminPort.default}`],
          labels: { namespace: 'development', pod: 'api-gateway' },
        },
      ],
    });
    const monitor = documentsOf(read('k8s/api-gateway-servicemonitor.yaml')).find(
      ({ kind }) => kind === 'ServiceMonitor',
    );
    expect(prometheus.global.scrape_interval).toBe(monitor.spec.endpoints[0].interval);
  });

  test('Prometheus is given its configuration, and the rules beside it', () => {
    expect(targets(services['prometheus'])).toEqual(['/etc/prometheus']);
    expect(prometheus.rule_files).toEqual(['rules.yml']);
    expect(existsSync(join(root, 'monitoring/rules.yml'))).toBe(true);
  });

  test('Grafana is given a data source and the dashboard', () => {
    expect(services['grafana']?.volumes).toEqual([
      './monitoring/grafana:/etc/grafana/provisioning:ro',
      `./k8s/dashboards:${provider.options.path}:ro`,
    ]);
    expect(datasource.url).toBe('http://prometheus:9090');
    expect(datasource.jsonData.timeInterval).toBe(prometheus.global.scrape_interval);
  });
});
