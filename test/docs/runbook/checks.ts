/** What a runbook says, held against what there is. */
import { constants } from 'node:os';
import { limits } from '../../../src/limits';
import { gatewaySdl } from '../../../src/schema/directives';
import { container, deployment } from '../../deploy/manifests/checks';
import { addressesOf, commandProblems, labelProblems, placeholders, urlProblems } from './commands';
import { pathsOf, type Facts } from './facts';
import { anchorOf, readMarkdown, type Block } from './markdown';

/** Everything that is wrong with a runbook; what is in backticks and of no known kind is wrong too. */
export async function runbookProblems(text: string, facts: Facts): Promise<string[]> {
  const markdown = readMarkdown(text);
  const inline = await Promise.all(markdown.inline.map((code) => inlineProblems(code, facts)));
  const urls = markdown.prose.match(/https?:\/\/[\w.:/-]*\w/g) ?? [];
  return [
    ...markdown.blocks.flatMap((block) => blockProblems(block, facts)),
    ...inline.flat(),
    ...urls.flatMap((url) => urlProblems(url, facts.objects)),
    ...markdown.links.flatMap((link) => linkProblems(link, text, facts)),
    ...statusProblems(text, facts),
    ...panelProblems(markdown.prose, facts),
    ...facts.alerts.flatMap((alert) => alertProblems(alert, markdown.sections)),
  ];
}

function blockProblems({ language, text }: Block, facts: Facts): string[] {
  const lines = text.split('\n');
  switch (language) {
    case 'sh':
      return lines.flatMap((line) => commandProblems(line, facts));
    case 'promql':
      return promqlProblems(text, facts);
    case 'log':
      return lines.flatMap((line) => logProblems(line, facts));
    case 'text':
      return lines.flatMap((line) => outputProblems(line, facts));
    default:
      return [`a block of ${language === '' ? 'no language' : language}`];
  }
}

/** Labels that Prometheus adds to what it scrapes. */
const targetLabels = ['job', 'namespace', 'pod', 'instance'];

export function promqlProblems(query: string, { metrics, labelValues }: Facts): string[] {
  const problems: string[] = [];
  const known = new Set(targetLabels);
  for (const [, name = '', selector = ''] of query.matchAll(/\b([a-z]\w*_\w+)\b(?!\s*\()(?:\{([^}]*)\})?/g)) {
    const labels = metrics.get(name);
    if (!labels) {
      problems.push(`there is no metric ${name}`);
      continue;
    }
    for (const label of labels) known.add(label);
    for (const [, label = '', operator = '', value = ''] of selector.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)) {
      if (!labels.has(label) && !targetLabels.includes(label)) problems.push(`${name} has no label ${label}`);
      const values = labelValues.get(label);
      if (operator === '=' && value !== '' && values && !values.has(value)) problems.push(`no ${label} is ${value}`);
    }
  }
  for (const [, list = ''] of query.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of list.split(/,\s*/)) if (!known.has(label)) problems.push(`no label ${label} in ${query}`);
  }
  return problems;
}

/** A line of the log. */
function logProblems(line: string, { logs, errors, grpcStatuses, rpcs }: Facts): string[] {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const message = String(entry['msg']);
  const fields = logs.get(message);
  if (!fields) return [`nothing logs "${message}"`];
  const { code, status } = entry as { code?: string; status?: number };
  const { grpc = {} } = entry as { grpc?: { service?: string; method?: string; code?: string } };
  return [
    ...pathsOf(entry)
      .filter((path) => !fields.has(path))
      .map((path) => `"${message}" has no field ${path}`),
    ...(code === undefined || errors[code] === status ? [] : [`${code} is not ${status}`]),
    ...[grpc.service, grpc.method].filter((name) => name !== undefined && !rpcs.has(name)).map((name) => `no ${name}`),
    ...(grpc.code === undefined || grpcStatuses.has(grpc.code) ? [] : [`no status ${grpc.code}`]),
  ];
}

/** What a command prints: series of Prometheus, nc, a gateway that does not start. */
function outputProblems(line: string, facts: Facts): string[] {
  const series = /^(\w*)(\{.*\}) => [\d.e+-]+$/.exec(line);
  if (series) {
    const [, name = '', labels = ''] = series;
    if (name !== '') return promqlProblems(`${name}${labels}`, facts);
    const names = [...labels.matchAll(/(\w+)="/g)].map((match) => match[1] ?? '');
    return names.filter((each) => !facts.labelValues.has(each)).map((each) => `nothing has the label ${each}`);
  }
  if (line.startsWith('nc: ') || line.startsWith('Connection to ')) {
    const known = addressesOf(facts.objects).some((address) => {
      const [host = '', port = ''] = address.split(':');
      return line.includes(host) && line.includes(port);
    });
    return known ? [] : [`no upstream in ${line}`];
  }
  // What jq has made of lines of the log.
  if (line.includes('\t')) return [];
  // The test holds what the gateway says against the gateway; the inspector's prompt and the end of a full heap are Node's own.
  return /^(debug> |FATAL ERROR: |api-gateway cannot start: | {2}\S)/.test(line) ? [] : [`nothing prints ${line}`];
}

/** Names of other programs and of what they say, which nothing here can be asked about. */
const foreign = new Set(
  'kubectl grep jq nc | -l -E --tail=-1 --max-log-requests=12 --replicas=0 --force chrome://inspect'.split(' ').concat(
    // Of pods, of V8, and of the resolver.
    ['FailedMount', 'ImagePullBackOff', 'OOMKilled', 'Pending', 'FATAL ERROR', 'ENOTFOUND', 'EAI_AGAIN'],
  ),
);
/** How blocks are marked. */
const languages = new Set(['sh', 'promql', 'log', 'text']);

type Kind = readonly [pattern: RegExp, problems: (code: string, facts: Facts) => string[] | Promise<string[]>];

const isField = (code: string, { logs }: Facts): boolean => [...logs.values()].some((fields) => fields.has(code));
const when = (isRight: boolean, problem: string): string[] => (isRight ? [] : [problem]);

/** The first whose pattern fits decides. */
const kinds: readonly Kind[] = [
  [/^(kubectl|npm|npx|docker|curl) /, (code, facts) => commandProblems(code, facts)],
  [/^service:"/, searchProblems],
  [/^"\w+":/, (code, facts) => when(isField(Object.keys(JSON.parse(`{${code}}`) as object)[0]!, facts), code)],
  [/^https?:/, (code, { objects }) => urlProblems(code, objects)],
  [/^\/(?!run\/)/, async (code, { answers }) => when(await answers(code), `nothing answers ${code}`)],
  [/^[\w.-]*\/|^[\w-]+\.(yml|yaml|json|md|ts)$/, (code, { exists }) => when(isBuilt(code) || exists(code), code)],
  [/^[\w.-]+=[\w.-]+$/, (code, { objects }) => labelProblems(code, objects)],
  [/^\d+(m|Mi|s|ms)$/, quantityProblems],
  [/^[\w]+-[\w-]+$/, (code, facts) => when(isResource(code, facts) || isHeader(code, facts), `no ${code}`)],
  [/ |:$/, (code, facts) => when(isMessage(code, facts), `nothing says "${code}"`)],
  [/^[A-Z][A-Z0-9_<>]+$/, (code, facts) => when(isConstant(code, facts), `no ${code}`)],
  [/^[A-Z]\w+$/, (code, facts) => when(isRpcOrAlert(code, facts), `no ${code}`)],
  [/^@\w+$/, (code) => when(gatewaySdl.includes(`directive ${code}(`), `there is no directive ${code}`)],
  [/^[a-z]\w*_\w+$/, (code, { metrics }) => when(metrics.has(code) || code in limits, `there is no metric ${code}`)],
  [/^[a-z][\w.]*$/, (code, facts) => when(isWord(code, facts), `there is no ${code}`)],
];

async function inlineProblems(code: string, facts: Facts): Promise<string[]> {
  if (foreign.has(code) || languages.has(code) || placeholders.has(code)) return [];
  const [, problems] = kinds.find(([pattern]) => pattern.test(code)) ?? [];
  return problems ? problems(code, facts) : [`of which kind is ${code}?`];
}

/** A query of the logging platform. */
function searchProblems(code: string, facts: Facts): string[] {
  return code.split(' AND ').flatMap((term) => {
    const [, field = '', value = ''] = /^(\w+):"(.*)"$/.exec(term) ?? [];
    const isKnown = field !== 'service' || value === 'api-gateway';
    return when(isField(field, facts) && isKnown, `no log line fits ${term}`);
  });
}

/** What `npm run build` makes is not there before. */
const isBuilt = (code: string): boolean => code === 'dist/';

/** A quantity or a duration that is set somewhere. */
function quantityProblems(code: string, { objects, read }: Facts): string[] {
  const isDeployed = JSON.stringify(objects).includes(`"${code}"`);
  const texts = ['k8s/api-gateway-hpa.yaml', 'src/config/variables.ts', 'schema/auth.graphql'];
  return when(isDeployed || texts.some((path) => new RegExp(`\\b${code}\\b`).test(read(path))), `nothing is ${code}`);
}

const isResource = (code: string, { objects }: Facts): boolean =>
  objects.some(({ metadata }) => metadata.name === code) ||
  addressesOf(objects).some((address) => address.startsWith(`${code}.`));

/** What has to be sent is written where it is looked for. */
const isHeader = (code: string, { headers, read }: Facts): boolean =>
  headers.has(code.toLowerCase()) || read('src/session/cross-site.ts').includes(`'${code.toLowerCase()}'`);

/** Where messages are written that nothing here brings about. */
const messageFiles = [
  'src/main.ts',
  'src/http/server.ts',
  'src/pipeline/present.ts',
  'src/telemetry/opentelemetry.ts',
  'src/grpc/transport/http2/call.ts',
  'src/grpc/transport/http2/channel.ts',
  'src/grpc/transport/http2/connection.ts',
  'src/grpc/transport/http2/frame-reader.ts',
  'src/grpc/transport/http2/session.ts',
  'src/session/revocation-watch.ts',
  'src/session/redis-counts.ts',
  'src/session/revocations.ts',
  'src/signin/routes.ts',
];

/** Of the log, or of the terminal where it does not start: the beginning, or what stands behind something filled in. */
const isMessage = (code: string, { logs, read }: Facts): boolean =>
  logs.has(code) || messageFiles.some((path) => new RegExp(`['\`}] ?${code}`).test(read(path)));

const isConstant = (code: string, { errors, grpcStatuses, isVariable }: Facts): boolean =>
  code in errors || grpcStatuses.has(code) || isVariable(code) || code in constants.errno;

const isRpcOrAlert = (code: string, { rpcs, alerts }: Facts): boolean =>
  rpcs.has(code) || alerts.some(({ name }) => name === code);

/** A field of the log, a label or a value of one, a level, a setting of a manifest. */
function isWord(code: string, facts: Facts): boolean {
  const { labelValues, logs, objects, read, settings, alerts } = facts;
  return (
    settings.has(code) ||
    logs.has(code) ||
    isField(code, facts) ||
    labelValues.has(code) ||
    [...labelValues.values()].some((values) => values.has(code)) ||
    alerts.some((alert) => code in alert) ||
    [deployment(objects).metadata.namespace, container(objects).name].includes(code) ||
    isHeader(code, facts) ||
    // Levels.
    new RegExp(`'${code}'`).test(read('src/telemetry/log.ts')) ||
    new RegExp(`\\b${code}:`).test(read('deploy/production/kustomization.yaml'))
  );
}

function linkProblems(link: string, text: string, { read, exists }: Facts): string[] {
  const [path = '', anchor] = link.split('#');
  const file = path.replace('../', '');
  if (file !== '' && !exists(file)) return [`the link ${link} leads nowhere`];
  if (anchor === undefined) return [];
  const titles = readMarkdown(file === '' ? text : read(file)).sections.map(({ title }) => anchorOf(title));
  return when(titles.includes(anchor), `the link ${link} leads to no section`);
}

/** Rows such as `| 503 | `AUTH_UNAVAILABLE` |`, and texts such as "503 `AUTH_UNAVAILABLE`". */
function statusProblems(text: string, { errors }: Facts): string[] {
  return [...text.matchAll(/\b(\d{3})\s+(?:\|\s+)?`([A-Z_]+)`/g)].flatMap(([, status, code = '']) =>
    when(errors[code] === undefined || errors[code] === Number(status), `${code} is not ${status}`),
  );
}

/** Titles in quotes behind the word "panels", up to the end of the sentence. */
function panelProblems(prose: string, { panels }: Facts): string[] {
  const titles = [...prose.matchAll(/\bpanels? (".*?)\.\s/gs)].flatMap(([, list = '']) => list.match(/"[^"]+"/g) ?? []);
  return titles.filter((title) => !panels.has(title.slice(1, -1))).map((title) => `no panel is called ${title}`);
}

/** What a reader finds below every alert. */
const parts = ['Means:', 'Users:', 'Look:', 'Do:', 'Escalate:'];

function alertProblems(
  { name, priority, runbookUrl }: Facts['alerts'][number],
  sections: readonly { title: string; text: string }[],
): string[] {
  const title = `${name} (${priority})`;
  const section = sections.find((each) => each.title === title);
  if (!section) return [`there is no section ${title}`];
  return [
    ...when(runbookUrl.endsWith(`/docs/runbook.md#${anchorOf(title)}`), `${name} links to ${runbookUrl}`),
    ...parts.filter((part) => !section.text.includes(`**${part}**`)).map((part) => `${title} has no ${part}`),
  ];
}
