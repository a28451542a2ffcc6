/** The manifests of Kubernetes: against the schemas that are published, each other, and the gateway. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decoded } from '../gateway-fixture';
import { checks, container, deployment } from './manifests/checks';
import { baseObjects, documentsOf, kustomizationProblems, readFiles } from './manifests/files';
import { schemaProblems } from './manifests/schemas';

const root = join(__dirname, '../..');
const files = readFiles();
const applied = JSON.stringify(baseObjects(files));
/** Each test has its own, so that it may break them. */
const objects = (): Decoded[] => JSON.parse(applied);
const find = (all: readonly Decoded[], kind: string, name = 'api-gateway'): Decoded =>
  all.find((each) => each.kind === kind && each.metadata.name === name);

/** A cluster is not needed for it, and no file of one is read. */
function kustomize(folder: string, cwd = root): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('kubectl', ['kustomize', folder], {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], KUBECONFIG: '/dev/null' },
  });
}
const hasKubectl = kustomize('k8s').status === 0;

test('every document is what Kubernetes publishes of its kind, without a field that is none', () => {
  expect(objects().length).toBeGreaterThan(8);
  for (const object of objects()) expect(schemaProblems(object)).toEqual([]);
});

test.each(Object.keys(checks))('%s', async (name) => {
  expect(await checks[name]!(objects())).toEqual([]);
});

test('kustomizations list files that are there, and all of them', () => {
  expect(kustomizationProblems(files)).toEqual([]);
});

test('the two files that are applied by their names hold what they are called', () => {
  const kinds = (path: string): string[] => documentsOf(files.get(path) ?? '').map(({ kind }) => kind as string);
  // The account with the Deployment: without it no pod is made.
  expect(kinds('k8s/api-gateway-deployment.yaml')).toEqual(['ServiceAccount', 'Deployment']);
  expect(kinds('k8s/api-gateway-service.yaml')).toEqual(['Service']);
});

test('the README has every file of the base', () => {
  const [, section = ''] = /\n## Kubernetes\n(.*?)\n## /s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const listed = [...section.matchAll(/^\| `([\w./-]+)`/gm)].map((match) => `k8s/${match[1]}`);
  const base = [...files.keys()].filter((path) => path.startsWith('k8s/') && path !== 'k8s/kustomization.yaml');
  expect(listed.sort()).toEqual(base.sort());
});

describe('an overlay', () => {
  const overlays = [...files.keys()].flatMap((path) => /^deploy\/[\w-]+(?=\/kustomization\.yaml$)/.exec(path) ?? []);
  test('is there for production', () => expect(overlays).toContain('deploy/production'));

  // Without kubectl only the files are looked at, above.
  (hasKubectl ? test : test.skip).each(['k8s', ...overlays])(
    '%s is put together by kubectl, and holds',
    async (folder) => {
      const { stdout, stderr } = kustomize(folder);
      expect(stderr.replace(/^npm warn.*$/gm, '')).toBe('');
      const rendered = documentsOf(stdout);
      for (const object of rendered) expect(schemaProblems(object)).toEqual([]);
      for (const check of Object.values(checks)) expect(await check(rendered)).toEqual([]);
      const dashboard = find(rendered, 'ConfigMap', 'api-gateway-dashboard');
      expect(dashboard.data).toEqual({ 'api-gateway.json': files.get('k8s/dashboards/api-gateway.json') });
      expect(dashboard.metadata.labels.grafana_dashboard).toBe('1');
      if (folder !== 'deploy/production') return;
      const named = (list: Decoded[]): Set<string> => new Set(list.map(({ name }) => name as string));
      const put = production();
      expect(named(container(rendered).env)).toEqual(named(container(put).env));
      expect(named(container(rendered).volumeMounts)).toEqual(named(container(put).volumeMounts));
      const policies = (all: Decoded[]): Set<string> =>
        named(all.filter(({ kind }) => kind === 'NetworkPolicy').map(({ metadata }) => metadata));
      expect(policies(rendered)).toEqual(policies(put));
    },
  );

  (hasKubectl ? test : test.skip)('has one line for where the runbook is', () => {
    const folder = mkdtempSync(join(tmpdir(), 'runbook-'));
    try {
      for (const name of ['k8s', 'deploy']) cpSync(join(root, name), join(folder, name), { recursive: true });
      const line = /runbook: \S+/g;
      const kustomization = files.get('deploy/production/kustomization.yaml') ?? '';
      expect(kustomization.match(line)).toHaveLength(1);
      const moved = kustomization.replace(line, 'runbook: https://wiki.example.com/gateway');
      writeFileSync(join(folder, 'deploy/production/kustomization.yaml'), moved);
      const rule = find(documentsOf(kustomize('deploy/production', folder).stdout), 'PrometheusRule');
      const alerts = rule.spec.groups.flatMap(({ rules }: Decoded) => rules).filter(({ alert }: Decoded) => alert);
      expect(alerts).toHaveLength(4);
      for (const { annotations } of alerts) {
        expect(annotations.runbook_url).toMatch(/^https:\/\/wiki\.example\.com\/gateway#\w+-p[12]$/);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The base with what the overlay for production adds, put together here, so that it is looked at without kubectl too. */
function production(): Decoded[] {
  const added = (name: string): Decoded[] => documentsOf(files.get(`deploy/production/${name}`) ?? '');
  const all = [...objects(), ...added('upstreams-networkpolicy.yaml')];
  const [patch] = added('upstream-tls.yaml');
  container(all).env.push(...container([patch]).env);
  container(all).volumeMounts.push(...container([patch]).volumeMounts);
  deployment(all).spec.template.spec.volumes.push(...patch.spec.template.spec.volumes);
  return all;
}

describe('production', () => {
  const upstreams = (all: readonly Decoded[]): string[] =>
    container(all).env.flatMap(({ name }: Decoded) => /^(\w+)_SERVICE_ADDR$/.exec(name)?.[1] ?? []);

  test.each(Object.keys(checks))('%s', async (name) => {
    expect(await checks[name]!(production())).toEqual([]);
  });

  test('calls every upstream by TLS, and shows each who calls', () => {
    const names = container(production()).env.map(({ name }: Decoded) => name);
    expect(upstreams(production())).toEqual(['AUTH', 'AI']);
    for (const upstream of upstreams(production())) {
      for (const kind of ['CA', 'CERT', 'KEY']) expect(names).toContain(`${upstream}_SERVICE_TLS_${kind}`);
    }
  });

  test('lets the gateway alone call them', () => {
    const policies = production().filter(({ kind }) => kind === 'NetworkPolicy');
    for (const upstream of upstreams(production())) {
      const app = `${upstream.toLowerCase()}-service`;
      expect(policies.filter(({ spec }) => spec.podSelector.matchLabels.app === app)).toHaveLength(1);
    }
  });

  test('has an example of the secret, which does not work, and has every file that is read', () => {
    const [secret] = documentsOf(files.get('deploy/production/upstream-tls.example.yaml') ?? '');
    expect(schemaProblems(secret)).toEqual([]);
    const volume = deployment(production()).spec.template.spec.volumes.at(-1);
    expect(volume.secret.secretName).toBe(secret.metadata.name);
    const read = container(production()).env.flatMap(
      ({ value }: Decoded) => /^\/run\/secrets\/upstream-tls\/(.*)$/.exec(value)?.[1] ?? [],
    );
    expect(new Set(read)).toEqual(new Set(Object.keys(secret.stringData)));
    expect(new Set(Object.values(secret.stringData))).toEqual(new Set(['replace me']));
  });

  const policyOf = (all: Decoded[], name: string): Decoded => find(all, 'NetworkPolicy', name).spec;
  test.each<Mistake>([
    ['another pod', (all) => policyOf(all, 'ai-service').ingress[0].from.push({ podSelector: {} }), /others than/],
    [
      'anybody',
      (all) => delete policyOf(all, 'ai-service').ingress[0].from,
      /others than the gateway reach ai-service/,
    ],
    [
      'every namespace',
      (all) => (policyOf(all, 'ai-service').ingress[0].from[0].namespaceSelector = {}),
      /others than the gateway reach ai-service/,
    ],
    ['egress alone', (all) => (policyOf(all, 'auth-service').policyTypes = ['Egress']), /anybody reaches auth-service/],
    ['nobody', (all) => (policyOf(all, 'auth-service').ingress = []), /nobody reaches auth-service/],
    [
      'another port',
      (all) => (policyOf(all, 'auth-service').ingress[0].ports[0].port = 1),
      /does not reach auth-service:50051/,
    ],
    ['no mount', (all) => container(all).volumeMounts.pop(), /AI_SERVICE_TLS_KEY: no secret is mounted/],
    [
      'a secret that all may read',
      (all) => (deployment(all).spec.template.spec.volumes.at(-1).secret.defaultMode = 0o444),
      /AUTH_SERVICE_TLS_CA: anybody/,
    ],
    [
      'a certificate without its key',
      (all) => container(all).env.splice(-1),
      /AI_SERVICE_TLS_KEY: it is not set, but AI_SERVICE_TLS_CERT is/,
    ],
  ])('a mistake is found: %s', async (_what, make, said) => {
    const broken = production();
    make(broken);
    const problems: string[] = [];
    for (const check of Object.values(checks)) {
      const found = Promise.resolve(broken).then(check);
      problems.push(...(await found.catch(() => [])));
    }
    expect(problems.join('\n')).toMatch(said);
  });
});

/** A mistake, and what is said of it. */
type Mistake = readonly [what: string, make: (all: Decoded[]) => void, said: RegExp];

describe('a mistake is found', () => {
  const schemaMistakes: Mistake[] = [
    [
      'a field that is none',
      (all) => (container(all).imagePullPolice = 'Always'),
      /containers\[0\]\.imagePullPolice is no field/,
    ],
    ['one of the document', (all) => (deployment(all).replicas = 3), /Deployment: replicas is no field/],
    ['one in a list', (all) => (container(all).env[0].vaule = 'x'), /env\[0\]\.vaule is no field/],
    ['a probe of another kind', (all) => (container(all).livenessProbe.http = {}), /livenessProbe\.http is no field/],
    ['a number for a string', (all) => (container(all).env[0].value = 1), /env\/0\/value must be string/],
    ['a string for a number', (all) => (container(all).ports[0].containerPort = '3000'), /must be integer/],
    ['what is required', (all) => delete deployment(all).spec.selector, /selector/],
    ['another version', (all) => (find(all, 'HorizontalPodAutoscaler').apiVersion = 'autoscaling/v3'), /no schema/],
    ['a metric without a type', (all) => delete find(all, 'HorizontalPodAutoscaler').spec.metrics[0].type, /type/],
    [
      'a disruption budget',
      (all) => (find(all, 'PodDisruptionBudget').spec.minAvailble = 1),
      /minAvailble is no field/,
    ],
    [
      'a network policy',
      (all) => (find(all, 'NetworkPolicy').spec.ingress[1].form = []),
      /ingress\[1\]\.form is no field/,
    ],
    ['a monitor', (all) => (find(all, 'ServiceMonitor').spec.endpoints[0].intervall = '15s'), /intervall is no field/],
    ['a duration', (all) => (find(all, 'ServiceMonitor').spec.endpoints[0].interval = '15 s'), /interval/],
    ['a service', (all) => (find(all, 'Service').spec.ports[0].target = 1), /ports\[0\]\.target is no field/],
    ['a quantity', (all) => (container(all).resources.limits.memory = '512 MB'), /memory/],
  ];
  test.each(schemaMistakes)('by the schemas: %s', (_what, make, said) => {
    const broken = objects();
    make(broken);
    expect(broken.flatMap(schemaProblems).join('\n')).toMatch(said);
  });

  const env = (all: Decoded[], name: string): Decoded => container(all).env.find((each: Decoded) => each.name === name);
  const disagreements: Mistake[] = [
    ['a label', (all) => (deployment(all).spec.template.metadata.labels.app = 'gateway'), /Service .* selects/],
    [
      'the selector of a budget',
      (all) => (find(all, 'PodDisruptionBudget').spec.selector.matchLabels.app = 'x'),
      /Budget .* selects/,
    ],
    [
      'the selector of a policy',
      (all) => (find(all, 'NetworkPolicy').spec.podSelector.matchLabels.app = 'x'),
      /Policy .* selects/,
    ],
    [
      'what is scaled',
      (all) => (find(all, 'HorizontalPodAutoscaler').spec.scaleTargetRef.name = 'x'),
      /scales Deployment x/,
    ],
    [
      'a missing budget',
      (all) => all.splice(all.indexOf(find(all, 'PodDisruptionBudget')), 1),
      /no PodDisruptionBudget/,
    ],
    ['another namespace', (all) => (find(all, 'Service').metadata.namespace = 'default'), /another namespace/],
    ['an object twice', (all) => all.push(find(all, 'Service')), /there twice/],
    ['a port of a service', (all) => (find(all, 'Service').spec.ports[0].targetPort = 'web'), /port web/],
    [
      'the admin port for everybody',
      (all) => (find(all, 'Service').spec.ports[0].targetPort = 'admin'),
      /leads to port admin/,
    ],
    [
      'the admin port let in',
      (all) => delete find(all, 'NetworkPolicy').spec.ingress[1].from,
      /anybody in to the admin port/,
    ],
    ['another port', (all) => (container(all).ports[0].containerPort = 8080), /PORT 3000/],
    [
      'the name of a variable',
      (all) => (env(all, 'SHUTDOWN_DELAY').name = 'SHUTDOWN_DELY'),
      /SHUTDOWN_DELY is no variable/,
    ],
    ['the value of a variable', (all) => (env(all, 'SHUTDOWN_DELAY').value = '10'), /SHUTDOWN_DELAY: /],
    ['plain http', (all) => (env(all, 'PUBLIC_URL').value = 'http://app.example.com'), /not https/],
    [
      'an upstream that is left out',
      (all) => (env(all, 'AI_SERVICE_ADDR').name = 'AO_SERVICE_ADDR'),
      /AI_SERVICE_ADDR is not set/,
    ],
    ['a variable twice', (all) => container(all).env.push(env(all, 'PUBLIC_URL')), /PUBLIC_URL is there twice/],
    ['where the secret is', (all) => (container(all).volumeMounts[0].mountPath = '/secrets'), /no secret is mounted/],
    ['whose the secret is', (all) => delete deployment(all).spec.template.spec.securityContext.fsGroup, /no group/],
    [
      'a real secret',
      (all) => (find(all, 'Secret').stringData['session-secret'] = 'x'.repeat(32)),
      /a secret that works/,
    ],
    [
      'the port of an upstream',
      (all) => (find(all, 'NetworkPolicy').spec.egress[1].ports[0].port = 50050),
      /let out to auth-service:50051/,
    ],
    [
      'a probe',
      (all) => (container(all).readinessProbe.httpGet.path = '/healthz'),
      /readinessProbe asks for \/healthz/,
    ],
    [
      'the port of a probe',
      (all) => (container(all).livenessProbe.httpGet.port = 'http'),
      /livenessProbe asks at port http/,
    ],
    [
      'a label that the operator gives too',
      (all) => delete find(all, 'ServiceMonitor').spec.endpoints[0].honorLabels,
      /label service of metrics/,
    ],
    [
      'what is scraped',
      (all) => (find(all, 'ServiceMonitor').spec.endpoints[0].path = '/stats'),
      /\/stats is not there/,
    ],
    [
      'who is scraped',
      (all) => delete find(all, 'ServiceMonitor').spec.selector.matchLabels.listener,
      /selects 2 Services/,
    ],
    [
      'the grace period',
      (all) => (deployment(all).spec.template.spec.terminationGracePeriodSeconds = 135),
      /killed after/,
    ],
    ['the grace of a shutdown', (all) => (env(all, 'SHUTDOWN_GRACE').value = '25s'), /a request may take 120000/],
    ['the rollout', (all) => (deployment(all).spec.strategy.rollingUpdate.maxUnavailable = 1), /leave before others/],
    ['a number of replicas', (all) => (deployment(all).spec.replicas = 3), /number of replicas is set/],
    ['one replica', (all) => (find(all, 'HorizontalPodAutoscaler').spec.minReplicas = 1), /too few replicas/],
    ['a file system to write', (all) => delete container(all).securityContext.readOnlyRootFilesystem, /may write/],
    [
      'another user',
      (all) => (deployment(all).spec.template.spec.securityContext.runAsUser = 1001),
      /image's user is 1000/,
    ],
    ['a token', (all) => delete deployment(all).spec.template.spec.automountServiceAccountToken, /has a token/],
    ['an account', (all) => (deployment(all).spec.template.spec.serviceAccountName = 'x'), /account is not there/],
    ['too little memory', (all) => (container(all).resources.limits.memory = '256Mi'), /too few for a heap/],
    ['a limit of the CPU', (all) => (container(all).resources.limits.cpu = '1'), /CPU is limited/],
    ['a latest image', (all) => (container(all).image = 'your-registry/api-gateway:latest'), /is not of version/],
  ];
  test.each(disagreements)('by the checks: %s', async (_what, make, said) => {
    const broken = objects();
    make(broken);
    const problems: string[] = [];
    for (const check of Object.values(checks)) {
      // A check may need what another one misses.
      problems.push(
        ...(await Promise.resolve(broken)
          .then(check)
          .catch(() => [])),
      );
    }
    expect(problems.join('\n')).toMatch(said);
  });

  test('in the kustomizations', () => {
    const problemsWith = (path: string, text: string): string =>
      kustomizationProblems(new Map([...files, [path, text]])).join('\n');
    const base = files.get('k8s/kustomization.yaml') ?? '';
    expect(problemsWith('k8s/kustomization.yaml', base.replace('resources:\n', '$&  - other.yaml\n'))).toBe(
      'k8s/kustomization.yaml: there is no other.yaml',
    );
    expect(problemsWith('k8s/kustomization.yaml', `${base}resource: []\n`)).toContain('resource is no field');
    expect(problemsWith('k8s/dashboard.json', '{}')).toBe('k8s/dashboard.json: no kustomization lists it');
    expect(problemsWith('k8s/kustomization.yaml', base.replace('  - api-gateway-pdb.yaml\n', ''))).toBe(
      'k8s/api-gateway-pdb.yaml: no kustomization lists it',
    );
    expect(problemsWith('k8s/overlays/x/kustomization.yaml', 'resources: [../..]')).toContain(
      'which kustomize refuses',
    );
    const settings = files.get('deploy/production/settings.yaml') ?? '';
    expect(
      problemsWith('deploy/production/settings.yaml', settings.replace('kind: Deployment', 'kind: StatefulSet')),
    ).toContain('patches StatefulSet production/api-gateway, which is not there');
  });
});
