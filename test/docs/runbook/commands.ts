/** Commands that a runbook names: whether what they name is there. */
import { container, deployment } from '../../deploy/manifests/checks';
import type { Decoded } from '../../gateway-fixture';
import type { Facts } from './facts';

/** What a reader puts in. */
export const placeholders = new Set(['POD', 'NODE', 'REVISION', 'VERSION', 'REQUEST_ID']);

/** What is wrong with a line of shell. */
export function commandProblems(line: string, facts: Facts): string[] {
  const assigned = /^[A-Z_]+=\$\((.*)\)$/.exec(line)?.[1];
  return pipeline(assigned ?? line).flatMap((command) => simpleProblems(command, facts));
}

/** Words of each command between pipes, without their quotes. */
function pipeline(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [, word, pipe] of line.matchAll(/((?:'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s|'"])+)|(\|)/g)) {
    if (pipe !== undefined) commands.push([]);
    else commands.at(-1)!.push((word ?? '').replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands;
}

type Check = (words: readonly string[], facts: Facts) => string[];

/** By the name of the program. */
const programs: Readonly<Record<string, Check>> = {
  kubectl: kubectlProblems,
  npm: ([verb = '', script = ''], { scripts }) =>
    ['ci', 'test'].includes(verb) || (verb === 'run' && scripts[script] !== undefined)
      ? []
      : [`npm ${verb} ${script} is no script`],
  npx: ([runner, script = '', address = '', ...rest], facts) => [
    ...(runner === 'tsx' && facts.exists(script) ? [] : [`npx ${runner} ${script} is no script`]),
    ...(portsOfUpstreams(facts.objects).includes(address.split(':')[1] ?? '')
      ? []
      : [`${address} is no address of an upstream`]),
    // The test carries these out.
    ...rest.filter((word) => /^[A-Z][a-z]/.test(word) && !facts.rpcs.has(word)).map((word) => `${word} is no RPC`),
  ],
  docker: dockerProblems,
  'scripts/image-check.sh': ([image = ''], facts) => imageProblems(image, facts.objects),
  nc: (words, { objects }) => {
    const [host = '', port = ''] = words.slice(-2);
    const known = addressesOf(objects).includes(`${host}:${port}`);
    return [
      ...(known ? [] : [`${host}:${port} is no address of an upstream`]),
      // Where packets are dropped it would wait for minutes.
      ...(words.includes('-w') ? [] : ['nc waits without an end']),
    ];
  },
  curl: (words, { objects }) => urlProblems(words.at(-1) ?? '', objects),
  jq: (words, { logs }) =>
    [...(words.at(-1) ?? '').replaceAll(/"[^"]*"/g, '').matchAll(/\.([a-zA-Z]+(?:\.[a-zA-Z]+)*)/g)]
      .map((match) => match[1] ?? '')
      .filter((field) => ![...logs.values()].some((fields) => fields.has(field)))
      .map((field) => `no log line has ${field}`),
  grep: (words, facts) => grepProblems(words, facts),
  node: ([verb, address]) => (verb === 'inspect' && address === 'localhost:9229' ? [] : [`node ${verb} ${address}`]),
  base64: () => [],
  sort: () => [],
  tail: () => [],
  uniq: () => [],
  openssl: () => [],
};

function simpleProblems([program = '', ...words]: readonly string[], facts: Facts): string[] {
  const check = programs[program];
  return check ? check(words, facts) : [`nobody knows the program ${program}`];
}

function grepProblems(words: readonly string[], { logs, rpcs }: Facts): string[] {
  const pattern = words.at(-1) ?? '';
  if (pattern.includes('|')) {
    return words.includes('-E') ? [] : [`grep finds ${pattern} with -E alone`];
  }
  const known = placeholders.has(pattern) || rpcs.has(pattern) || [...logs.keys()].some((msg) => msg.includes(pattern));
  return known ? [] : [`no log line has ${pattern}`];
}

function dockerProblems([verb = '', ...words]: readonly string[], facts: Facts): string[] {
  if (verb === 'compose') return facts.exists('docker-compose.yml') && words[0] === 'up' ? [] : ['docker compose up'];
  const image = words.find((word) => word.includes('/api-gateway'));
  if (verb === 'build' || verb === 'push') return imageProblems(image ?? '', facts.objects);
  return [`docker ${verb}`];
}

function imageProblems(image: string, objects: readonly Decoded[]): string[] {
  const nameOf = (text: string): string => text.split(':')[0] ?? '';
  return nameOf(image) === nameOf(container(objects).image) ? [] : [`${image} is not the image of the Deployment`];
}

/** What is wrong with a URL of this machine. */
export function urlProblems(url: string, objects: readonly Decoded[]): string[] {
  const { hostname, port } = new URL(url);
  const ports = [...portsOf(objects), ...composePorts];
  return hostname === 'localhost' && ports.includes(port) ? [] : [`nothing is at ${url}`];
}

/** Of Prometheus and Grafana in docker-compose.yml; a test of that file keeps them. */
const composePorts = ['9091', '3001'];

const portsOf = (objects: readonly Decoded[]): string[] =>
  container(objects).ports.map(({ containerPort }: Decoded) => String(containerPort));

/** `host:port` of each upstream, as it is deployed. */
export function addressesOf(objects: readonly Decoded[]): string[] {
  return container(objects).env.flatMap(({ value }: Decoded) => /^dns:\/\/\/(.*)$/.exec(value ?? '')?.[1] ?? []);
}

const portsOfUpstreams = (objects: readonly Decoded[]): string[] =>
  addressesOf(objects).map((address) => address.split(':')[1] ?? '');

/** Options that kubectl has for each of its verbs; `!` where it needs a namespace. */
const verbs: Readonly<Record<string, string>> = {
  get: '! -l -o',
  describe: '!',
  logs: '! -f -l --since --tail --max-log-requests --previous',
  exec: '! -it',
  'rollout history': '! --revision',
  'rollout undo': '! --to-revision',
  'rollout status': '!',
  'rollout restart': '!',
  scale: '! --replicas',
  patch: '! --type -p',
  label: '! --overwrite',
  delete: '!',
  'create secret generic': '! --from-literal --dry-run -o',
  'set env': '! --list',
  'set image': '!',
  'port-forward': '!',
  apply: '-f -k',
  diff: '-k',
  drain: '--ignore-daemonsets --delete-emptydir-data',
  cordon: '',
  uncordon: '',
  'top nodes': '',
};

/** Options of kubectl that take the next word. */
const withValue = new Set(['-n', '-l', '-o', '-p', '-k']);

function kubectlProblems(words: readonly string[], facts: Facts): string[] {
  const end = words.indexOf('--');
  const own = end < 0 ? words : words.slice(0, end);
  const verb = Object.keys(verbs).find((each) => own.join(' ').startsWith(each));
  if (own.length === 0) return [];
  if (verb === undefined) return [`kubectl does not ${own.join(' ')}`];
  const rest = own.slice(verb.split(' ').length);
  // The command by its name alone.
  if (rest.length === 0) return end < 0 ? [] : ['kubectl without anything to run it on'];
  const known = (verbs[verb] ?? '').split(' ');
  const options: [name: string, value: string][] = [];
  const operands: string[] = [];
  for (let index = 0; index < rest.length; index += 1) {
    const word = rest[index]!;
    const [name = '', value] = word.startsWith('--') ? word.split(/=(.*)/s) : [word];
    if (!word.startsWith('-') || word === '-') operands.push(word);
    else if (withValue.has(name) || (name === '-f' && verb === 'apply')) options.push([name, rest[(index += 1)] ?? '']);
    else options.push([name, value ?? '']);
  }
  return [
    ...options
      .filter(([name]) => name !== '-n' && !known.includes(name))
      .map(([name]) => `kubectl ${verb} has no ${name}`),
    ...(known.includes('!') && !options.some(([name]) => name === '-n') ? [`kubectl ${verb} without a namespace`] : []),
    ...options.flatMap(([name, value]) => optionProblems(verb, name, value, facts)),
    ...operandProblems(verb, operands, facts),
    ...(end < 0 ? [] : insideProblems(words.slice(end + 1), facts)),
  ];
}

function optionProblems(verb: string, name: string, value: string, { objects, exists }: Facts): string[] {
  const secretKeys = Object.keys(objects.find(({ kind }) => kind === 'Secret').stringData as object);
  switch (name) {
    case '-n':
      return value === deployment(objects).metadata.namespace ? [] : [`there is no namespace ${value}`];
    case '-l':
      return labelProblems(value, objects);
    case '-k':
    case '-f':
      return verb === 'logs' || value === '-' || exists(value) ? [] : [`there is no ${value}`];
    case '-p':
      return patchProblems(JSON.parse(value), objects);
    case '--from-literal':
      return secretKeys.includes(value.split('=')[0] ?? '') ? [] : [`the Secret has no ${value}`];
    case '-o': {
      const key = /\.data\.([\w-]+)/.exec(value)?.[1];
      return key === undefined || secretKeys.includes(key) ? [] : [`the Secret has no ${key}`];
    }
    default:
      return [];
  }
}

/** Labels of the gateway's pods, and of those that it may call. */
export function labelProblems(label: string, objects: readonly Decoded[]): string[] {
  const policy = objects.find(({ kind }) => kind === 'NetworkPolicy');
  const upstreams = policy.spec.egress.flatMap((rule: Decoded) => rule.to ?? []);
  const all: object[] = [
    deployment(objects).spec.template.metadata.labels,
    ...upstreams.flatMap((peer: Decoded) => peer.podSelector?.matchLabels ?? []),
  ];
  const known = all.flatMap((labels) => Object.entries(labels).map(([key, value]) => `${key}=${value}`));
  return known.includes(label) ? [] : [`no pods have the label ${label}`];
}

function patchProblems(patch: Decoded, objects: readonly Decoded[]): string[] {
  const { spec } = objects.find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return Object.keys(patch.spec as object)
    .filter((key) => spec[key] === undefined)
    .map((key) => `the autoscaler has no ${key}`);
}

/** Kinds by the names that commands give them. */
const kinds: Readonly<Record<string, string>> = {
  deployment: 'Deployment',
  hpa: 'HorizontalPodAutoscaler',
  pdb: 'PodDisruptionBudget',
  secret: 'Secret',
};

function operandProblems(verb: string, operands: readonly string[], facts: Facts): string[] {
  const { objects } = facts;
  const named = (kind: string, name: string): string[] =>
    objects.some((each) => each.kind === kinds[kind] && each.metadata.name === name) ? [] : [`no ${kind} ${name}`];
  if (verb === 'create secret generic') return named('secret', operands[0] ?? '');
  return operands.flatMap((operand, index) => {
    const [kind = '', name] = operand.split('/');
    const before = operands[index - 1] ?? '';
    if (placeholders.has(operand) || operand === '$GATEWAY_POD' || operand === 'pods') return [];
    if (name !== undefined && kinds[kind] !== undefined) return named(kind, name);
    if (kind === 'pod' && name !== undefined) return placeholders.has(name) ? [] : [`${operand} is one pod`];
    if (kinds[operand] !== undefined || operand === 'pod' || operand === 'endpoints') return [];
    if (kinds[before] !== undefined) return named(before, operand);
    if (before === 'endpoints') {
      const hosts = addressesOf(objects).map((address) => address.split('.')[0]);
      return hosts.includes(operand) ? [] : [`no upstream is called ${operand}`];
    }
    if (verb === 'port-forward') {
      const ports = [...portsOf(objects), '9229'].map((port) => `${port}:${port}`);
      return ports.includes(operand) ? [] : [`no port ${operand}`];
    }
    const [key = '', value] = operand.split('=');
    if (verb === 'set env') return facts.isVariable(key.replace(/-$/, '')) ? [] : [`no variable ${key}`];
    if (verb === 'set image') {
      return key === container(objects).name ? imageProblems(value ?? '', objects) : [`no container ${key}`];
    }
    if (verb === 'label') return key === 'app' ? [] : [`no label ${key}`];
    return [`kubectl ${verb} ${operand}`];
  });
}

/** What is run inside of a pod. */
function insideProblems(words: readonly string[], { read }: Facts): string[] {
  const [shell, , script] = words;
  if (shell !== 'sh') return [`the image has no ${shell}`];
  if (script === undefined) return [];
  // The first process is tini, which passes signals on.
  const isTini = /^ENTRYPOINT \["\/usr\/bin\/tini"/m.test(read('Dockerfile'));
  return script === 'kill -USR1 1' && isTini ? [] : [`sh -c ${script}`];
}
