/** The dearest operations that are allowed, found by search over the schema: what they take of the gateway, as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  getNamedType,
  getNullableType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  type GraphQLObjectType,
} from 'graphql';
import { unserved } from '../../src/commands/unserved';
import { sourceFolders } from '../../src/config/config';
import { loadContract } from '../../src/contract/contract';
import { fragmentsOf } from '../../src/execution/compiled-operation';
import { parseWithinLimits } from '../../src/pipeline/document-limits';
import { compileCost } from '../../src/pipeline/operation-cost';
import { loadSources } from '../../src/schema/sources';
import { addresses } from '../addresses';
import { until, valueOf, type LogLine } from '../gateway-fixture';
import { startAiService, type AiService } from '../upstreams/ai/service';
import { startAuthService, type AuthService } from '../upstreams/auth/service';

jest.setTimeout(120_000);

const root = join(__dirname, '../..');
const { schema } = loadContract(loadSources(sourceFolders({})), unserved);
const maxCost = 10_000;

/** A selection that grows: fields of an object type. */
interface Selected {
  readonly type: GraphQLObjectType;
  readonly fields: { readonly text: string; readonly inner?: Selected }[];
}

/** Numbers from 0 to 1 that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Values of arguments that must be there. */
const values: Readonly<Record<string, string>> = { id: '"user-ada"', input: '{ query: "who am I" }' };

function write({ fields }: Selected): string {
  return `{ ${fields.map(({ text, inner }) => (inner ? `${text} ${write(inner)}` : text)).join(' ')} }`;
}

function costOf(text: string): number {
  try {
    const document = parseWithinLimits(text);
    const [operation] = document.definitions;
    if (operation?.kind !== Kind.OPERATION_DEFINITION) return Infinity;
    return compileCost({ schema, operation, fragments: fragmentsOf(document) }, {}).of({});
  } catch {
    // Over a limit of documents.
    return Infinity;
  }
}

/** Adds random fields for as long as the operation is allowed. */
function search(seed: number): string {
  const random = numbers(seed);
  const query = schema.getQueryType()!;
  const top: Selected = { type: query, fields: [] };
  const places = [top];
  let aliases = 0;
  /** Lists are what is dear: some searches go for them first, some for calls, some for whatever comes. */
  const taste = random();
  for (let failures = 0; failures < 60;) {
    const place = places[Math.floor((taste < 0.5 ? Math.sqrt(random()) : random()) * places.length)]!;
    const all = Object.values(place.type.getFields());
    const field = all[Math.floor(random() * all.length)]!;
    const args = field.args.flatMap((argument) => {
      if (argument.name === 'first') return ['first: 100'];
      return String(argument.type).endsWith('!') ? [`${argument.name}: ${values[argument.name] ?? '"x"'}`] : [];
    });
    const named = getNamedType(field.type);
    const text = `a${(aliases += 1)}: ${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}`;
    const inner = isObjectType(named) ? { type: named, fields: [{ text: '__typename' }] } : undefined;
    if (!isLeafType(named) && !inner) continue;
    place.fields.push(inner ? { text, inner } : { text });
    if (costOf(write(top)) > maxCost) {
      place.fields.pop();
      failures += 1;
    } else if (inner) {
      places.push(inner);
      if (isListType(getNullableType(field.type))) places.push(inner, inner);
    }
  }
  return write(top);
}

describe('the dearest operations that are allowed', () => {
  let auth: AuthService;
  let ai: AiService;
  let child: ChildProcess;
  const logs: LogLine[] = [];
  let url = '';
  let adminUrl = '';

  beforeAll(async () => {
    auth = await startAuthService();
    ai = await startAiService({ authAddress: auth.address });
    ai.seedConversations('user-ada', 100, ['user-ada', 'user-mel']);
    child = spawn(process.execPath, ['--import', 'tsx', join('src', 'main.ts')], {
      cwd: root,
      env: {
        ...addresses(),
        NODE_ENV: 'test',
        PUBLIC_URL: 'http://localhost:3000',
        PORT: '0',
        ADMIN_PORT: '0',
        HOST: '127.0.0.1',
        ADMIN_HOST: '127.0.0.1',
        AUTH_SERVICE_ADDR: auth.address,
        AI_SERVICE_ADDR: ai.address,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout! }).on('line', (line) => logs.push(JSON.parse(line) as LogLine));
    const listening = await until(
      () => logs.find(({ msg }) => msg === 'listening'),
      (found) => found !== undefined,
    );
    url = `http://127.0.0.1:${String(listening!['port'])}/graphql`;
    adminUrl = `http://127.0.0.1:${String(listening!['adminPort'])}`;
  });
  afterAll(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    await ai.close();
    await auth.close();
  });

  const ask = async (query: string): Promise<LogLine> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${auth.adminToken}` },
      body: JSON.stringify({ query }),
    });
    await response.arrayBuffer();
    const id = response.headers.get('x-request-id');
    const line = await until(
      () => logs.find(({ msg, requestId }) => msg === 'request' && requestId === id),
      (found) => found !== undefined,
    );
    return line!;
  };
  const metric = async (name: string): Promise<number> =>
    valueOf(await (await fetch(`${adminUrl}/metrics`)).text(), name) ?? Number.NaN;

  const seeds = Array.from({ length: 10 }, (_, index) => index + 1);

  test('take few calls, little time and little memory', async () => {
    const found = seeds.map(search);
    // Each is near what it may cost, or it would say nothing.
    expect(found.map(costOf).filter((cost) => cost > maxCost * 0.5).length).toBeGreaterThan(seeds.length / 2);
    for (const query of found) await ask(query);
    const heapBefore = await metric('nodejs_heap_size_used_bytes');
    const taken: { ms: number; calls: number; status: unknown }[] = [];
    for (const query of found) {
      const rounds = 3;
      const before = await metric('process_cpu_seconds_total');
      let line: LogLine = {};
      for (let round = 0; round < rounds; round += 1) line = await ask(query);
      const ms = (((await metric('process_cpu_seconds_total')) - before) * 1000) / rounds;
      taken.push({ ms, calls: Number(line['upstreamCalls']), status: line['status'] });
    }
    const heap = (await metric('nodejs_heap_size_used_bytes')) - heapBefore;
    expect(Math.max(...taken.map(({ calls }) => calls))).toBeLessThanOrEqual(200);
    expect(taken.filter(({ status }) => status !== 200 && status !== 400)).toEqual([]);
    expect(Math.max(...taken.map(({ ms }) => ms))).toBeLessThan(100);
    expect(heap).toBeLessThan(64 * 2 ** 20);
  });

  test('are refused where they cost more', () => {
    expect(costOf('{ users(first: 100) { nodes { permissions } } }')).toBeLessThan(maxCost);
    const dear = `{ users(first: 100) { nodes { ${Array.from({ length: 11 }, (_, n) => `p${n}: permissions`).join(' ')} } } }`;
    expect(costOf(dear)).toBeGreaterThan(maxCost);
  });
});
