/** docs/directives.md: every directive with all of its arguments, and examples that do what the page says. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Kind, parse, print, visit, type DirectiveDefinitionNode } from 'graphql';
import { ownResolverNames } from '../../src/contract/built-ins';
import { createGateway } from '../../src/gateway';
import { startServer, type RunningServer } from '../../src/http/server';
import { restSdl } from '../../src/rest/directives';
import { gatewaySdl } from '../../src/schema/directives';
import { createLog } from '../../src/telemetry/log';
import { testConfig, type Decoded } from '../gateway-fixture';
import { serviceDefinition } from '../upstreams/server';

const root = join(__dirname, '../..');
const page = readFileSync(join(root, 'docs/directives.md'), 'utf8');

const definitions = [gatewaySdl, restSdl]
  .flatMap((sdl) => parse(sdl).definitions)
  .filter((definition): definition is DirectiveDefinitionNode => definition.kind === Kind.DIRECTIVE_DEFINITION);

interface Block {
  readonly language: string;
  readonly text: string;
}

interface Section {
  readonly title: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** The page cut at headings of one of the levels. */
function sections(text: string, heading: RegExp): Section[] {
  const parts = text.split(heading);
  return parts
    .slice(1)
    .flatMap((title, index) =>
      index % 2 === 1 ? [] : [{ title, text: parts[index + 2] ?? '', blocks: blocksOf(parts[index + 2] ?? '') }],
    );
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = '', content = '']) => ({
    language,
    text: content,
  }));
}

const chapters = sections(page, /^## (.+)$/m);
const examples = sections(page, /^##+ (.+)$/m).filter(({ blocks }) => blocks.some(isSdl));
const sharedProto = chapters.find(({ title }) => title.startsWith('The services'))?.blocks[0]?.text ?? '';

function isSdl({ language, text }: Block): boolean {
  return language === 'graphql' && /^(extend schema|type Query)/.test(text);
}

function isRest({ language, text }: Block): boolean {
  return language === 'graphql' && text.includes('@rest(');
}

describe('the page', () => {
  test('has a chapter for each directive, and no other', () => {
    const named = chapters.flatMap(({ title }) => /^`@(\w+)`$/.exec(title)?.[1] ?? []);
    expect(named.toSorted()).toEqual(definitions.map(({ name }) => name.value).toSorted());
    const mentioned = [...page.matchAll(/`@(\w+)/g)].map(([, name]) => name);
    expect(mentioned.filter((name) => !named.includes(name ?? ''))).toEqual([]);
  });

  test.each(definitions.map((definition) => [definition.name.value, definition] as const))(
    '@%s: where it stands, and its arguments',
    (name, { arguments: args = [], locations, repeatable }) => {
      const { text = '' } = chapters.find(({ title }) => title === `\`@${name}\``) ?? {};
      const places = locations.map(({ value }) => `\`${value}\``).join(', ');
      expect(text).toContain(`\nOn ${places}${repeatable ? ', repeatable' : ''}.\n`);
      const rows = [...text.matchAll(/^\| `(\w+)` +\| `(.+?)` +\| (.+?) +\|$/gm)];
      expect(rows.map(([, argument, type]) => `${argument}: ${type}`)).toEqual(
        args.map((argument) => {
          const preset = argument.defaultValue ? ` = ${print(argument.defaultValue)}` : '';
          return `${argument.name.value}: ${print(argument.type)}${preset}`;
        }),
      );
      expect(rows.every(([, , , says = '']) => says.length > 5)).toBe(true);
    },
  );

  test('has every argument in an example', () => {
    const used = new Set<string>();
    for (const { text } of examples.flatMap(({ blocks }) => blocks.filter((block) => isSdl(block) || isRest(block)))) {
      visit(parse(text), {
        Directive({ name, arguments: args = [] }) {
          used.add(`@${name.value}`);
          for (const argument of args) used.add(`@${name.value}(${argument.name.value})`);
        },
      });
    }
    const all = definitions.flatMap(({ name, arguments: args = [] }) => [
      `@${name.value}`,
      ...args.map((argument) => `@${name.value}(${argument.name.value})`),
    ]);
    expect(all.filter((each) => !used.has(each))).toEqual([]);
  });

  test('has a request for every example, and an answer for every request', () => {
    for (const { title, blocks } of examples) {
      const requests = blocks.filter((block) => block.language === 'graphql' && !isSdl(block) && !isRest(block));
      const answers = blocks.filter(({ language }) => language === 'json');
      const exchanges = blocks.filter(({ language }) => language === 'http');
      expect({ title, answers: answers.length, some: requests.length + exchanges.length > 0 }).toEqual({
        title,
        answers: requests.length,
        some: true,
      });
    }
  });

  test('names every function that @resolver may', () => {
    const { text = '' } = chapters.find(({ title }) => title === '`@resolver`') ?? {};
    const names = new Intl.ListFormat('en-GB').format(ownResolverNames.map((name) => `\`${name}\``));
    expect(text).toContain(`There are ${names}.`);
  });

  test('is where the README says', () => {
    const [, add = ''] = /^## Add a service\n([^]*?)^## /m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    expect(add).toContain('](docs/directives.md)');
  });
});

/** Who asks in the examples, by token. */
const permissions: Readonly<Record<string, readonly string[]>> = { ada: ['books:edit'], mel: [] };

const books: readonly Decoded[] = [
  {
    book_id: 'b1',
    title: 'The Dispossessed',
    author_id: 'a1',
    sequel_ids: ['b2', 'gone'],
    binding: 'BINDING_HARD_COVER',
    shelf: { number: 7 },
  },
  { book_id: 'b2', title: 'The Lathe of Heaven', author_id: 'a1', binding: 'BINDING_HARD_COVER', shelf: { number: 7 } },
  { book_id: 'b3', title: 'Invisible Cities', author_id: 'a2', binding: 'BINDING_PAPERBACK', lent_to: 'mel' },
  { book_id: 'b4', title: 'The Baron in the Trees', author_id: 'a2', binding: 'BINDING_PAPERBACK' },
];

const events: Readonly<Record<string, readonly string[]>> = {
  b1: ['bought', 'read', 'read again'],
  b2: ['bought', 'lent to mel'],
  b3: ['lent to mel'],
};

/** What the services were asked, as the page writes it. */
const calls: string[] = [];

type Unary = (request: Decoded) => Decoded;

const services: Readonly<Record<string, Readonly<Record<string, Unary>>>> = {
  'books.v1.BookService': {
    GetBook: ({ book_id: id }) => bookOf(id),
    BatchGetBooks: ({ book_ids: ids }) => ({ books: books.filter((book) => ids.includes(book.book_id)).toReversed() }),
    ListBooks({ page_size: size = 25, filter = {} }) {
      const found = books.filter(
        ({ binding, lent_to: reader }) =>
          (filter.binding === undefined || filter.binding === binding) &&
          (filter.lent_to === undefined || filter.lent_to === reader),
      );
      return {
        books: found.slice(0, size),
        shelves: [{ number: 7 }],
        next_page_token: found.length > size ? 'more' : '',
        total_size: found.length,
      };
    },
    UpdateBook: ({ book }) => ({ ...bookOf(book.book_id), ...book }),
    GetLatestEvent: ({ book_id: id }) => ({ book_id: id, what: events[id]?.at(-1) }),
  },
  'books.v1.AuthorService': {
    GetAuthor: ({ author_id: id }) => ({ author_id: id, name: id === 'a1' ? 'Ursula K. Le Guin' : 'Italo Calvino' }),
    ListBooksOfAuthors: ({ author_ids: ids }) => ({ books: books.filter((book) => ids.includes(book.author_id)) }),
  },
  'branches.v1.CopyService': {
    ListWishes: () => ({
      wishes: [
        { reader: 'mel', branch_id: 'north', book_id: 'b1' },
        { reader: 'ada', branch_id: 'south', book_id: 'b1' },
      ],
    }),
    BatchGetCopies: () => ({ copies: [{ branch_id: 'north', book_id: 'b1', shelf: 7 }] }),
  },
  'auth.v1.AuthService': {
    ValidateSession({ session_token: token }) {
      if (!permissions[token]) throw Object.assign(new Error('no such session'), { code: status.UNAUTHENTICATED });
      const seconds = Math.floor(Date.now() / 1000) + 3600;
      return { session_id: 's', user_id: token, permissions: permissions[token], expires_at: { seconds, nanos: 0 } };
    },
    CheckPermission: ({ user_id: user, permission }) => ({ allowed: permissions[user]?.includes(permission) === true }),
  },
};

function bookOf(id: string): Decoded {
  const book = books.find((each) => each.book_id === id);
  if (!book) throw Object.assign(new Error('no such book'), { code: status.NOT_FOUND });
  return book;
}

function watchBook(call: ServerWritableStream<Decoded, Decoded>): void {
  const { book_id: id } = call.request;
  if (id === 'b2') {
    call.emit('error', { code: status.UNIMPLEMENTED, details: 'not for this book' });
    return;
  }
  for (const what of events[id] ?? []) call.write({ book_id: id, what });
  call.end();
}

describe('the examples', () => {
  const folder = mkdtempSync(join(tmpdir(), 'directives-'));
  const server = new Server();
  let address = '';
  let gateway: RunningServer | undefined;

  beforeAll(async () => {
    const own = examples.flatMap(({ blocks }) => blocks).filter(({ language }) => language === 'proto');
    const protos = [sharedProto, ...own.map(({ text }) => text)];
    const paths = protos.map((text) => write(`proto/${/^package (.+);$/m.exec(text)?.[1]}.proto`, text));
    const auth = write('proto/auth/v1/auth.proto', readFileSync(join(root, 'proto/auth/v1/auth.proto'), 'utf8'));
    write('schema/auth.graphql', 'extend schema @upstream(name: "auth", service: "auth.v1.AuthService")');
    const definition = loadSync([...paths, auth], { keepCase: true, longs: String, enums: String });
    for (const [name, rpcs] of Object.entries(services)) {
      const unary = Object.entries(rpcs).map(([method, answer]) => [method, handler(name, method, answer)] as const);
      const streams = name === 'books.v1.BookService' ? { WatchBook: watchBook } : {};
      server.addService(serviceDefinition(definition, name), { ...Object.fromEntries(unary), ...streams });
    }
    address = await new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(`127.0.0.1:${port}`);
      });
    });
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
  });
  afterAll(() => {
    server.forceShutdown();
    rmSync(folder, { recursive: true });
  });

  function write(path: string, text: string): string {
    const file = join(folder, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** A gateway with the SDL and the routes of an example. */
  async function start({ blocks }: Section): Promise<string> {
    const sdl = blocks.filter(isSdl).map(({ text }) => text);
    write('schema/example.graphql', sdl.join('\n'));
    rmSync(join(folder, 'schema/rest'), { recursive: true, force: true });
    for (const { text } of blocks.filter(isRest)) write('schema/rest/example.graphql', text);
    const upstreams = [...sdl.join().matchAll(/@upstream\(name: "(\w+)"/g), ['', 'auth']];
    const addresses = upstreams.map(([, name = '']) => [`${name.toUpperCase()}_SERVICE_ADDR`, address]);
    const config = testConfig({
      SCHEMA_DIR: join(folder, 'schema'),
      PROTO_DIR: join(folder, 'proto'),
      ...Object.fromEntries(addresses),
    });
    const log = createLog('error', new PassThrough().resume());
    gateway = await startServer(createGateway(config, { log }), config, log);
    return `http://127.0.0.1:${gateway.port}`;
  }

  test.each(examples.map((example) => [example.title, example] as const))('%s', async (_, example) => {
    const url = await start(example);
    let answer: unknown;
    for (const block of example.blocks) {
      if (block.language === 'http') await exchange(url, block.text);
      else if (block.language === 'json') expectAnswer(answer, JSON.parse(block.text));
      else if (block.language === 'text') expect(calls.toSorted()).toEqual(block.text.trim().split('\n').toSorted());
      else if (block.language === 'graphql' && !isSdl(block) && !isRest(block)) answer = await ask(url, block.text);
    }
  });
});

function handler(service: string, method: string, answer: Unary) {
  return (call: ServerUnaryCall<Decoded, Decoded>, callback: sendUnaryData<Decoded>): void => {
    if (service !== 'auth.v1.AuthService') calls.push(`${method} ${JSON.stringify(call.request)}`);
    try {
      callback(null, answer(call.request));
    } catch (error) {
      callback(error as Error);
    }
  };
}

function headersOf(text: string): Record<string, string> {
  const [, token] = /^# as (\w+)$/m.exec(text) ?? [];
  return { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
}

/** The answer to an operation; the list of its events where it is a subscription. */
async function ask(url: string, query: string): Promise<unknown> {
  calls.length = 0;
  const isSubscription = /^subscription/m.test(query);
  const accept = isSubscription ? 'text/event-stream' : 'application/json';
  const body = JSON.stringify({ query });
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers: { ...headersOf(query), accept }, body });
  if (!isSubscription) return response.json();
  return [...(await response.text()).matchAll(/^data: ?(\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as unknown);
}

function expectAnswer(answer: unknown, expected: Decoded): void {
  if (expected.errors === undefined) expect(answer).toEqual(expected);
  else expect(answer).toMatchObject(expected);
}

/** A request and its answer: `METHOD path`, a body, and behind an empty line the status and another body. */
async function exchange(url: string, text: string): Promise<void> {
  const [asked = '', answered = ''] = text.replace(/^# .+\n/, '').split('\n\n');
  const [, method = '', path = '', body = ''] = /^(\w+) (\S+)\n?([^]*)$/.exec(asked) ?? [];
  const [, code, expected = ''] = /^(\d+)\n([^]+)$/.exec(answered) ?? [];
  const response = await fetch(`${url}${path}`, { method, headers: headersOf(text), ...(body === '' ? {} : { body }) });
  const wanted = JSON.parse(expected) as unknown;
  expect(response.status).toBe(Number(code));
  // Of an error, its id and details are left out.
  if (response.ok) expect(await response.json()).toEqual(wanted);
  else expect(await response.json()).toMatchObject(wanted as object);
}
