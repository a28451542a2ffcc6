/** What manifests have to agree on, with each other and with the gateway. Each check lists what is wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Registry } from 'prom-client';
import { runCheck } from '../../../src/commands/run-check';
import { ConfigError, readConfig, type Config } from '../../../src/config/config';
import { variables } from '../../../src/config/variables';
import { createAdminHandler } from '../../../src/http/admin-handler';
import { loadSources } from '../../../src/schema/sources';
import type { Decoded } from '../../gateway-fixture';
import { identityOf } from './files';

const root = join(__dirname, '../../..');
const sources = { schemaDir: join(root, 'schema'), protoDir: join(root, 'proto') };
/** The reserve that a shutdown needs behind its grace period, for a last line of the log. */
const exitReserveMs = 5_000;
/** What the process takes beside its heap: 100 MB under load, and some more. */
const besideHeapMb = 150;

type Check = (objects: readonly Decoded[]) => string[] | Promise<string[]>;

/** All checks by name. */
export const checks: Readonly<Record<string, Check>> = {
  'every object is there once, in production, and labelled': (objects) =>
    objects.flatMap((object, index) => {
      const name = identityOf(object);
      return [
        ...(objects.findIndex((other) => identityOf(other) === name) < index ? [`${name} is there twice`] : []),
        ...(object.metadata.namespace === 'production' ? [] : [`${name} is in another namespace than production`]),
        ...(object.metadata.labels?.app === 'api-gateway' ? [] : [`${name} has no label app=api-gateway`]),
      ];
    }),

  'selectors select': (objects) => {
    const { spec } = deployment(objects);
    const pod = spec.template.metadata.labels;
    const selectors: [string, Decoded][] = [
      ['Deployment', spec.selector.matchLabels],
      ...spec.template.spec.topologySpreadConstraints.map((each: Decoded) => [
        `spread over ${each.topologyKey}`,
        each.labelSelector.matchLabels,
      ]),
      ...all(objects, 'Service').map((each): [string, Decoded] => [identityOf(each), each.spec.selector]),
      ...all(objects, 'PodDisruptionBudget').map((each): [string, Decoded] => [
        identityOf(each),
        each.spec.selector.matchLabels,
      ]),
      ...ownPolicies(objects).map((each): [string, Decoded] => [identityOf(each), each.spec.podSelector.matchLabels]),
    ];
    const problems = selectors
      .filter(([, labels]) => !selects(labels, pod))
      .map(([name, labels]) => `${name} selects ${JSON.stringify(labels)}, and pods are ${JSON.stringify(pod)}`);
    for (const { spec: hpa } of all(objects, 'HorizontalPodAutoscaler')) {
      const { apiVersion, kind, name } = hpa.scaleTargetRef;
      const found = objects.some((it) => it.apiVersion === apiVersion && it.kind === kind && it.metadata.name === name);
      if (!found) problems.push(`HorizontalPodAutoscaler scales ${kind} ${name}, which is not there`);
    }
    const kinds = [
      'Service',
      'PodDisruptionBudget',
      'NetworkPolicy',
      'HorizontalPodAutoscaler',
      'ServiceMonitor',
      'PrometheusRule',
    ];
    return [
      ...problems,
      ...kinds.filter((kind) => all(objects, kind).length === 0).map((kind) => `there is no ${kind}`),
    ];
  },

  'ports meet': (objects) => {
    const config = configOf(objects);
    const { ports } = container(objects);
    const numbers = Object.fromEntries(ports.map((each: Decoded) => [each.name, each.containerPort]));
    const problems: string[] = [];
    if (numbers.http !== config.port) problems.push(`port http is ${numbers.http}, and PORT ${config.port}`);
    if (numbers.admin !== config.adminPort) {
      problems.push(`port admin is ${numbers.admin}, and ADMIN_PORT ${config.adminPort}`);
    }
    for (const service of all(objects, 'Service')) {
      for (const { targetPort } of service.spec.ports) {
        if (!(targetPort in numbers)) {
          problems.push(`${identityOf(service)} leads to port ${targetPort}, which is not there`);
        }
        const forOperators = service.metadata.labels.listener === 'admin';
        if (forOperators !== (targetPort === 'admin')) {
          problems.push(`${identityOf(service)} leads to port ${targetPort}`);
        }
      }
    }
    for (const { spec } of ownPolicies(objects)) {
      const open = spec.ingress.flatMap((rule: Decoded) =>
        rule.ports.map(({ port }: Decoded) => ({ port, anybody: rule.from === undefined })),
      );
      for (const { port, anybody } of open) {
        if (!(port in numbers)) problems.push(`NetworkPolicy lets in to port ${port}, which is not there`);
        if (port === 'admin' && anybody) problems.push('NetworkPolicy lets anybody in to the admin port');
      }
      for (const name of Object.keys(numbers)) {
        if (!open.some(({ port }: Decoded) => port === name)) {
          problems.push(`NetworkPolicy lets nobody in to port ${name}`);
        }
      }
    }
    return problems;
  },

  'the configuration is one that the gateway starts with': (objects) => {
    const env: Decoded[] = container(objects).env;
    const patterns = Object.values(variables).map(({ name }) => new RegExp(`^${name.replace(/<\w+>/, '[A-Z0-9_]+')}$`));
    const unknown = env.filter(({ name }) => !patterns.some((pattern) => pattern.test(name)));
    const twice = env.filter(({ name }, index) => env.findIndex((other) => other.name === name) < index);
    const valueless = env.filter(({ value, valueFrom }) => typeof value !== 'string' && valueFrom === undefined);
    try {
      const { warnings } = configOf(objects);
      return [
        ...unknown.map(({ name }) => `${name} is no variable of the gateway`),
        ...twice.map(({ name }) => `${name} is there twice`),
        ...valueless.map(({ name }) => `${name} has a value that is no string`),
        ...warnings,
      ];
    } catch (error) {
      if (error instanceof ConfigError) return [...error.problems];
      throw error;
    }
  },

  'the secret is mounted where it is read, and only referenced': (objects) => {
    const pod = deployment(objects).spec.template.spec;
    const path: string = container(objects).env.find(({ name }: Decoded) => name === 'SESSION_SECRET_FILE').value;
    const mount = container(objects).volumeMounts.find(({ mountPath }: Decoded) => mountPath === dirname(path));
    const volume = pod.volumes.find(({ name }: Decoded) => name === mount?.name);
    const problems: string[] = [];
    if (volume?.secret === undefined) problems.push(`no secret is mounted at ${dirname(path)}`);
    // 0440 for the group of the process; 0400 would be for root alone.
    else if (volume.secret.defaultMode !== 0o440) problems.push(`its mode is ${volume.secret.defaultMode.toString(8)}`);
    if (pod.securityContext.fsGroup === undefined) problems.push('it belongs to no group of the process');
    // There where examples are looked at too; the one that is applied is nobody's but the operators'.
    for (const secret of all(objects, 'Secret')) {
      if (secret.metadata.name !== volume?.secret?.secretName) {
        problems.push(`${identityOf(secret)} is mounted nowhere`);
      }
      const value = secret.stringData?.[basename(path)];
      if (value === undefined) problems.push(`${identityOf(secret)} has no ${basename(path)}`);
      else if (accepted(value)) problems.push(`${identityOf(secret)} has a secret that works`);
    }
    return problems;
  },

  'upstreams may be called': (objects) => {
    const [policy] = ownPolicies(objects);
    return Object.entries(configOf(objects).upstreams).flatMap(([name, { target }]) => {
      const [, host = '', namespace, port] =
        /^dns:\/\/\/([\w-]+)\.([\w-]+)\.svc\.cluster\.local:(\d+)$/.exec(target) ?? [];
      if (namespace !== 'production') return [`${name}: ${target} is no Service of production`];
      const open = policy?.spec.egress.some(
        ({ to, ports }: Decoded) =>
          to.some((peer: Decoded) => peer.podSelector && selects(peer.podSelector.matchLabels, { app: host })) &&
          ports.some((each: Decoded) => each.port === Number(port)),
      );
      return open === true ? [] : [`${name}: NetworkPolicy does not let out to ${host}:${port}`];
    });
  },

  'policies of upstreams let the gateway in, and nobody else': (objects) =>
    Object.values(configOf(objects).upstreams).flatMap(({ target }) => {
      const [, host = '', port = ''] = /^dns:\/\/\/([\w-]+)\..*:(\d+)$/.exec(target) ?? [];
      const { labels } = deployment(objects).spec.template.metadata;
      return all(objects, 'NetworkPolicy')
        .filter(({ spec }) => selects(spec.podSelector.matchLabels ?? {}, { app: host }))
        .flatMap(({ spec }) => [
          ...(spec.policyTypes.includes('Ingress') ? [] : [`anybody reaches ${host}`]),
          ...(spec.ingress ?? []).flatMap(({ from, ports }: Decoded) => [
            ...(from?.length > 0 && from.every((peer: Decoded) => isGateway(peer, labels))
              ? []
              : [`others than the gateway reach ${host}`]),
            ...(ports?.some((each: Decoded) => each.port === Number(port))
              ? []
              : [`the gateway does not reach ${host}:${port}`]),
          ]),
          ...(spec.ingress?.length > 0 ? [] : [`nobody reaches ${host}`]),
        ]);
    }),

  'TLS material is mounted where it is read': (objects) => {
    const { volumes, securityContext } = deployment(objects).spec.template.spec;
    const { env, volumeMounts } = container(objects);
    return env
      .filter(({ name }: Decoded) => tlsVariable.test(name))
      .flatMap(({ name, value }: Decoded) => {
        const mount = volumeMounts.find(({ mountPath }: Decoded) => mountPath === dirname(value));
        const volume = volumes.find((each: Decoded) => each.name === mount?.name);
        if (volume?.secret === undefined) return [`${name}: no secret is mounted at ${dirname(value)}`];
        return [
          ...(volume.secret.defaultMode === 0o440 ? [] : [`${name}: anybody may read it, or not even the gateway`]),
          ...(mount.readOnly === true ? [] : [`${name}: it may be written`]),
          ...(securityContext.fsGroup === undefined ? [`${name}: it belongs to no group of the process`] : []),
        ];
      });
  },

  'probes are answered': async (objects) => {
    const expected = { startupProbe: '/startupz', livenessProbe: '/livez', readinessProbe: '/readyz' };
    const problems: string[] = [];
    for (const [probe, path] of Object.entries(expected)) {
      const request = container(objects)[probe]?.httpGet;
      if (request?.path !== path) problems.push(`${probe} asks for ${request?.path} and not for ${path}`);
      else if (request.port !== 'admin') problems.push(`${probe} asks at port ${request.port}`);
      else if ((await adminStatus(path)) !== 200) problems.push(`${probe} asks for ${path}, which is not there`);
    }
    return problems;
  },

  'Prometheus finds every replica': async (objects) => {
    const problems: string[] = [];
    for (const monitor of all(objects, 'ServiceMonitor')) {
      const { selector, endpoints, jobLabel, namespaceSelector } = monitor.spec;
      const found = all(objects, 'Service').filter((each) => selects(selector.matchLabels, each.metadata.labels));
      // Two of them would count every request twice.
      if (found.length !== 1) problems.push(`ServiceMonitor selects ${found.length} Services`);
      for (const service of found) {
        if (service.metadata.labels[jobLabel] !== 'api-gateway') problems.push('the job is not called api-gateway');
        if (!namespaceSelector.matchNames.includes(service.metadata.namespace)) problems.push('it looks elsewhere');
        for (const { port, path, honorLabels } of endpoints) {
          if (honorLabels !== true) problems.push('the label service of metrics is renamed');
          if (!service.spec.ports.some((each: Decoded) => each.name === port)) {
            problems.push(`${port} is no port of it`);
          }
          if ((await adminStatus(path)) !== 200) problems.push(`${path} is not there`);
        }
      }
    }
    return problems;
  },

  'a shutdown is over before the process is killed, and cuts nothing off': (objects) => {
    const { shutdownDelay, shutdownGrace, requestTimeout } = configOf(objects);
    const killedMs = deployment(objects).spec.template.spec.terminationGracePeriodSeconds * 1_000;
    const longest = Math.max(requestTimeout, longestDeadline());
    return [
      ...(killedMs >= shutdownGrace + exitReserveMs
        ? []
        : [`killed after ${killedMs} ms, SHUTDOWN_GRACE is ${shutdownGrace}`]),
      ...(shutdownGrace >= shutdownDelay + longest
        ? []
        : [`SHUTDOWN_GRACE is ${shutdownGrace} ms, a request may take ${longest} after a delay of ${shutdownDelay}`]),
    ];
  },

  'a rollout loses nothing, and leaves the number of replicas alone': (objects) => {
    const { spec } = deployment(objects);
    const [hpa] = all(objects, 'HorizontalPodAutoscaler');
    const [budget] = all(objects, 'PodDisruptionBudget');
    return [
      ...(spec.strategy.rollingUpdate.maxUnavailable === 0 ? [] : ['replicas leave before others are ready']),
      ...(spec.strategy.rollingUpdate.maxSurge >= 1 ? [] : ['no replica may be added']),
      ...(spec.replicas === undefined ? [] : ['the number of replicas is set']),
      ...(hpa?.spec.minReplicas >= 2 && hpa.spec.maxReplicas > hpa.spec.minReplicas ? [] : ['too few replicas']),
      ...(budget?.spec.maxUnavailable < hpa?.spec.minReplicas ? [] : ['nodes may be drained of all replicas']),
    ];
  },

  'the process is allowed nothing that it does not need': (objects) => {
    const { template } = deployment(objects).spec;
    const pod = template.spec;
    const own = container(objects).securityContext;
    const user = Number(/^USER (\d+):\d+$/gm.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1]);
    const [account] = all(objects, 'ServiceAccount');
    // The profile "restricted" of Kubernetes' Pod Security Standards, and some more.
    const wanted: [boolean, string][] = [
      [pod.securityContext.runAsNonRoot === true, 'it may run as root'],
      [
        pod.securityContext.runAsUser === user,
        `it runs as ${pod.securityContext.runAsUser}, the image's user is ${user}`,
      ],
      [pod.securityContext.seccompProfile?.type === 'RuntimeDefault', 'it may make any system call'],
      [own.allowPrivilegeEscalation === false, 'it may gain privileges'],
      [own.privileged !== true, 'it is privileged'],
      [own.readOnlyRootFilesystem === true, 'it may write'],
      [own.capabilities.drop.includes('ALL') && own.capabilities.add === undefined, 'it has capabilities'],
      [!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, 'it shares namespaces with the node'],
      [pod.automountServiceAccountToken === false, 'it has a token'],
      [account?.automountServiceAccountToken === false, 'its account gives tokens away'],
      [account?.metadata.name === pod.serviceAccountName, 'its account is not there'],
      [pod.enableServiceLinks === false, 'Services are set as variables, which look like configuration'],
    ];
    return wanted.flatMap(([holds, problem]) => (holds ? [] : [problem]));
  },

  'memory, heap and CPU fit each other': (objects) => {
    const { requests, limits } = container(objects).resources;
    const limit = mebibytes(limits.memory);
    const target = all(objects, 'HorizontalPodAutoscaler')[0]?.spec.metrics[0].resource.target;
    return [
      // scripts/image-check.sh looks whether V8 does take half.
      ...(limit / 2 + besideHeapMb <= limit ? [] : [`${limit} MB are too few for a heap of half of them`]),
      ...(mebibytes(requests.memory) <= limit ? [] : ['more memory is requested than allowed']),
      ...(limits.cpu === undefined ? [] : ['the CPU is limited']),
      ...(millicores(target.averageValue) < 1_000 ? [] : ['replicas are full before others are added']),
      ...(millicores(requests.cpu) >= millicores(target.averageValue) ? [] : ['less CPU is requested than used']),
    ];
  },

  'the image is of one version': (objects) => {
    const { image } = container(objects);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return image.endsWith(`/api-gateway:${version}`) ? [] : [`${image} is not of version ${version}`];
  },
};

const { upstreamNames } = loadSources(sources);

let longestDeadlineMs: number | undefined;

/** Of all fields of the schema; 0 where none has a deadline of its own. */
function longestDeadline(): number {
  if (longestDeadlineMs === undefined) {
    const { fields } = JSON.parse(runCheck(['--json'], sources).stdout) as { fields: { deadline: number | null }[] };
    longestDeadlineMs = Math.max(0, ...fields.map(({ deadline }) => deadline ?? 0));
  }
  return longestDeadlineMs;
}

function all(objects: readonly Decoded[], kind: string): Decoded[] {
  return objects.filter((object) => object.kind === kind);
}

/** Those of the gateway itself; others are of its upstreams. */
function ownPolicies(objects: readonly Decoded[]): Decoded[] {
  return all(objects, 'NetworkPolicy').filter(({ metadata }) => metadata.name === 'api-gateway');
}

/** The one Deployment. */
export function deployment(objects: readonly Decoded[]): Decoded {
  const [found, ...others] = all(objects, 'Deployment');
  if (found === undefined || others.length > 0) throw new Error('there is not one Deployment');
  return found;
}

/** Its one container. */
export function container(objects: readonly Decoded[]): Decoded {
  const { containers } = deployment(objects).spec.template.spec;
  if (containers.length !== 1) throw new Error('there is not one container');
  return containers[0];
}

/** A variable that holds the path of a PEM file. */
const tlsVariable = /_SERVICE_TLS_(CA|CERT|KEY)$/;
const fixtures = { CA: 'ca.pem', CERT: 'client.pem', KEY: 'client.key' } as const;

/** The name of a file that is what the variable wants. */
function tlsFixture(name: string): string | undefined {
  const kind = tlsVariable.exec(name)?.[1] as keyof typeof fixtures | undefined;
  return kind && join(root, 'test/fixtures/tls', fixtures[kind]);
}

/** A pod of the gateway, in the namespace of the policy. */
function isGateway({ podSelector, namespaceSelector, ipBlock }: Decoded, labels: Decoded): boolean {
  return !namespaceSelector && !ipBlock && selects(podSelector?.matchLabels ?? {}, labels);
}

const selects = (selector: Decoded, labels: Decoded): boolean =>
  Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value);

/** What the gateway makes of the container's variables. @throws ConfigError */
function configOf(objects: readonly Decoded[]): Config {
  const folder = mkdtempSync(join(tmpdir(), 'manifests-'));
  try {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'a session secret that is long enough');
    const env = Object.fromEntries(
      container(objects).env.map(({ name, value }: Decoded) => [name, tlsFixture(name) ?? value]),
    );
    // The image is of production, whatever the environment of this test is.
    const mounted = env.SESSION_SECRET_FILE === undefined ? {} : { SESSION_SECRET_FILE: secret };
    return readConfig({ NODE_ENV: 'production', ...env, ...mounted }, upstreamNames);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function accepted(secret: string): boolean {
  try {
    variables.secret.parse(secret);
    return true;
  } catch {
    return false;
  }
}

/** What the admin listener of a gateway that is ready answers. */
async function adminStatus(path: string): Promise<number> {
  const listener: RequestListener = createAdminHandler(new Registry(), () => true);
  const server = createServer(listener).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    await response.body?.cancel();
    return response.status;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function mebibytes(quantity: string): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(number) * (unit === 'Gi' ? 1_024 : 1);
}

function millicores(quantity: string): number {
  return quantity.endsWith('m') ? Number(quantity.slice(0, -1)) : Number(quantity) * 1_000;
}
