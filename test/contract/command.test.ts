import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scripts } from '../../package.json';
import { runCheck } from '../../src/commands/run-check';
import { sourceFolders } from '../../src/config/config';
import type { MappedField, MappedRoute } from '../../src/contract/gateway-map';
import type { Finding } from '../../src/diagnostics/findings';
import { check, environment, inside, proto, removeFolders, rest, root, sdl, spawnSource, write } from './fixture';

afterAll(removeFolders);

interface Report {
  readonly findings: readonly Finding[];
  readonly fields: readonly MappedField[];
  readonly routes: readonly MappedRoute[];
}

/** Two mistakes in two files, as the check tells them. */
const mistakes = {
  [sdl]: [['order(id: ID!): Order @authenticated', 'order(id: ID!): Order']],
  [rest]: [['    name\n    kind', '    title\n    kind']],
} as const;
const told = `schema/rest/shop.graphql:4:5: Cannot query field "title" on type "Product"
    Its fields are id, name, blurb, stock, views, kind, tags, createdAt.
schema/shop.graphql:6:3: Query.order does not say who may ask for it
    Add @public, @authenticated or @requiresScopes(scopes: [["..."]]).
`;

describe('the map', () => {
  test('has a line for each field that is more than a value, and one for each route', () => {
    const { exitCode, stdout, stderr } = check(write());
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`\
FIELD                                       ACCESS         RPC                                   DEADLINE  REST
Query.product(id)                           public         shop.v1.ShopService/GetProduct        2s        GET /shop/products/{id}
Query.products(first, after, kind, filter)  public         shop.v1.ShopService/ListProducts      2s        GET /shop/products
Query.order(id)                             signed in      shop.v1.ShopService/GetOrder          2s        -
Mutation.updateProduct(id, input)           shop:edit      shop.v1.ShopService/UpdateProduct     2s        -
Mutation.placeOrder(items)                  signed in      shop.v1.ShopService/PlaceOrder        2s        POST /shop/orders, POST /orders
Subscription.orderEvents(id)                signed in      shop.v1.ShopService/WatchOrder        2s        -
Item.product                                as its object  shop.v1.ShopService/BatchGetProducts  2s        -
Order.products                              as its object  shop.v1.ShopService/BatchGetProducts  2s        -

METHOD  PATH                 OPERATION     ACCESS     COST
GET     /shop/products/{id}  GetProduct    public     13
GET     /shop/products       ListProducts  public     62, at most 212
POST    /shop/orders         PlaceOrder    signed in  22
POST    /orders              PlaceOrder    signed in  22

warning: schema/shop.graphql:52:3: Order.items is a list that nothing bounds; its cost is that of 10 items
    Say how many there are with @listSize(assumedSize: ...), or page it.
warning: schema/shop.graphql:54:3: Order.products is a list that nothing bounds; its cost is that of 10 items
    Say how many there are with @listSize(assumedSize: ...), or page it.

8 fields, 4 routes, no findings
`);
  });

  test("of this repository's own services", () => {
    const { exitCode, stdout } = runCheck([], sourceFolders({}));
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    const line = (first: string): readonly string[] | undefined => lines.find((cells) => cells[0] === first);
    expect(line('Query.me')?.slice(1, 4)).toEqual(['signed in', 'auth.v1.AuthService/GetUser', '2s']);
    expect(line('Query.me')?.[4]?.split(', ')).toContain('GET /api/v1/users/me');
    expect(line('Query.users(first, after, status, search)')?.slice(1, 4)).toEqual([
      'admin:user:list',
      'auth.v1.AuthService/ListUsers',
      '2s',
    ]);
    expect(line('Query.gateway')?.slice(1, 4)).toEqual(['public', '@resolver gateway', '-']);
    expect(line('Mutation.ask(input)')?.slice(1, 4)).toEqual(['signed in', 'ai.v1.AIService/ProcessQuery', '2m']);
    expect(line('Subscription.askStream(input)')?.[2]).toBe('ai.v1.AIService/StreamQuery, else ProcessQuery');
    expect(line('Conversation.owner')?.[2]).toBe('auth.v1.AuthService/BatchGetUsers');
    expect(line('User.permissions')?.[1]).toBe('admin:user:view_permissions or self');
    expect(lines).toContainEqual(['POST', '/api/ai', 'AskAssistant', 'signed in', '506']);
    expect(lines).toContainEqual(['GET', '/api/v1/users/me', 'Me', 'signed in', '17']);
    expect(stdout).toMatch(/\n\d+ fields, \d+ routes, no findings\n$/);
    expect(exitCode).toBe(0);
  });

  test('says of rules that add up that all must hold, and cuts long lists of arguments', () => {
    const names = Array.from({ length: 20 }, (_, index) => `argument${index}: ID @proto(field: "productId")`);
    const folder = write({
      [sdl]: [
        ['stock: Int!', 'stock: Int @requiresScopes(scopes: [["a", "b"], ["c"]]) @authenticated'],
        ['type Card {', 'type Card @requiresScopes(scopes: [["d"]]) {'],
        ['lastDigits: String!', 'lastDigits: String @requiresScopes(scopes: [["e"], ["f"]])'],
        ['product(id: ID!)', `product(id: ID!, ${names.join(', ')})`],
      ],
    });
    const { stdout } = check(folder);
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines).toContainEqual(['Product.stock', 'a + b or c', '-', '-', '-']);
    expect(lines).toContainEqual(['Card.lastDigits', '(e or f) and d', '-', '-', '-']);
    expect(lines[1]?.[0]).toBe('Query.product(id, argument0, argument1, argument2, argument3, argument4, ...)');
  });
});

describe('what is wrong', () => {
  test('is told by file and place, with what would mend it and a count', () => {
    const { exitCode, stdout, stderr } = check(write(mistakes));
    expect(stdout).toBe(`${told}\n2 findings\n`);
    expect(stderr).toBe('');
    expect(exitCode).toBe(1);
  });

  test('in SDL, protos and operations that cannot be read is told at once', () => {
    const folder = write({
      [sdl]: [['type Mutation {', 'type Mutation (']],
      [proto]: [['string name = 2;', 'string name 2;']],
      [rest]: [['product(id: $id) {', 'product(id: $id {']],
    });
    expect(
      check(folder)
        .stdout.split('\n')
        .filter((line) => !line.startsWith(' ')),
    ).toEqual([
      "proto/shop/v1/shop.proto:25: illegal token '2', '=' expected",
      'schema/rest/shop.graphql:2:19: Syntax Error: Expected Name, found "{"',
      'schema/shop.graphql:9:15: Syntax Error: Unexpected "("',
      '',
      '3 findings',
      '',
    ]);
  });
});

describe('--json', () => {
  test('is one document with fields and routes', () => {
    const { exitCode, stdout } = check(write(), '--json');
    const report = JSON.parse(stdout) as Report;
    expect(exitCode).toBe(0);
    expect(Object.keys(report)).toEqual(['findings', 'warnings', 'fields', 'routes']);
    expect(report.findings).toEqual([]);
    expect(report.fields).toHaveLength(8);
    expect(report.fields[0]).toEqual({
      coordinate: 'Query.product',
      arguments: ['id'],
      type: 'Product',
      access: 'public',
      source: 'shop.v1.ShopService/GetProduct',
      fallback: null,
      deadline: 2000,
      routes: ['GET /shop/products/{id}'],
    });
    expect(report.routes).toHaveLength(4);
    expect(report.routes[0]).toEqual({
      method: 'GET',
      path: '/shop/products/{id}',
      operation: 'GetProduct',
      access: 'public',
      cost: { usual: 13, most: 13 },
      coordinates: [
        'Kind.BOOK',
        'Kind.TOY',
        'Product.id',
        'Product.kind',
        'Product.name',
        'Query.product',
        'Query.product(id:)',
      ],
    });
  });

  test('has the findings, and no map where there is no schema', () => {
    const { exitCode, stdout } = check(write({ [sdl]: [['type Mutation {', 'type Mutation (']] }), '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      findings: [
        {
          file: 'schema/shop.graphql',
          line: 9,
          column: 15,
          message: 'Syntax Error: Unexpected "("',
          fix: 'Look here, and for what is not closed above.',
        },
      ],
      warnings: [],
      fields: [],
      routes: [],
    });
  });

  test('has what breaks with --against', () => {
    const folder = write();
    const { exitCode, stdout } = check(folder, '--json', '--against', folder);
    expect(exitCode).toBe(0);
    expect(Object.keys(JSON.parse(stdout) as Report)).toEqual(['findings', 'warnings', 'fields', 'routes', 'breaking']);
  });
});

describe('the command', () => {
  test('is npm run check', () => expect(scripts.check).toBe('tsx src/commands/check.ts'));

  test('says how it is used', () => {
    const { exitCode, stdout } = runCheck(['--help'], sourceFolders({}));
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Usage: npm run check -- \[options\]\n/);
    for (const option of ['--schema DIR', '--proto DIR', '--against DIR', '--json', '--help']) {
      expect(stdout).toContain(`\n  ${option} `);
    }
  });

  test.each([
    [['--againts', 'old'], "Unknown option '--againts'"],
    [['--schema'], "Option '--schema <value>' argument missing"],
    [['old'], "Unexpected argument 'old'"],
  ])('says how it is used when it is called with %j', (args, problem) => {
    const { exitCode, stdout, stderr } = runCheck(args, sourceFolders({}));
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(problem);
    expect(stderr).toContain('Usage: npm run check');
  });

  test.each(['schema', 'proto'])('cannot run without a folder of %s', (name) => {
    const folder = write();
    rmSync(join(folder, name), { recursive: true });
    expect(check(folder)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `the check could not run: there is no folder ${name}\n`,
    });
  });

  test('cannot run where a file stands for a folder', () => {
    const folder = write();
    rmSync(join(folder, 'proto'), { recursive: true });
    writeFileSync(join(folder, 'proto'), '');
    expect(check(folder).exitCode).toBe(2);
  });

  test('cannot compare with an older copy that is not there, or cannot be read', () => {
    const folder = write();
    const against = (older: string): string => {
      const { exitCode, stdout, stderr } = check(folder, '--against', older);
      expect([exitCode, stdout]).toEqual([2, '']);
      return inside(older, stderr);
    };
    expect(against(join(folder, 'nowhere'))).toMatch(/^the check could not run: there is no folder /);
    expect(against(write({ [proto]: [['string name = 2;', 'string name 2;']] }))).toBe(
      `the check could not run: the older copy in . cannot be read: the schema has 1 problem(s)
proto/shop/v1/shop.proto:25: illegal token '2', '=' expected
    Look here, and for what is not closed above.
`,
    );
    expect(against(write({ [sdl]: [['createdAt: DateTime', 'createdAt: Wednesday']] }))).toContain(
      'cannot be read: the schema has 1 problem(s)\nschema/shop.graphql:30:14: Unknown type "Wednesday"\n',
    );
    const half = write();
    rmSync(join(half, 'proto'), { recursive: true });
    expect(against(half)).toBe('the check could not run: there is no folder proto\n');
    rmSync(join(half, 'schema'), { recursive: true });
    writeFileSync(join(half, 'broken.proto'), 'message {');
    expect(against(half)).toContain('the older copy in . cannot be read: broken.proto:1: ');
  });
});

describe('as a process', () => {
  test('the check reads its folders from the environment, and exits by what it found', () => {
    const [clean, wrong] = [write(), write(mistakes)];
    const { SCHEMA_DIR = '', PROTO_DIR = '' } = environment(clean);
    const fine = spawnSource('commands/check.ts', [], { SCHEMA_DIR, PROTO_DIR });
    expect({ ...fine, stdout: inside(clean, fine.stdout) }).toEqual({ ...check(clean), stderr: '' });

    const env = { SCHEMA_DIR: environment(wrong)['SCHEMA_DIR'] ?? '', PROTO_DIR };
    const found = spawnSource('commands/check.ts', [], env);
    expect({ ...found, stdout: inside(wrong, found.stdout) }).toEqual({
      exitCode: 1,
      stdout: `${told}\n2 findings\n`,
      stderr: '',
    });

    const bad = spawnSource('commands/check.ts', ['--nonsense'], {});
    expect([bad.exitCode, bad.stdout]).toEqual([2, '']);
    expect(bad.stderr).toContain('Usage: npm run check');
  }, 30_000);

  test('the gateway refuses to start in the same words', () => {
    const folder = write(mistakes);
    const env = { NODE_ENV: 'test', PORT: '0', ADMIN_PORT: '0', PUBLIC_URL: 'http://localhost:3000' };
    const { exitCode, stderr } = spawnSource('main.ts', [], { ...env, ...environment(folder) });
    expect(exitCode).toBe(1);
    expect(inside(folder, stderr)).toBe(`api-gateway cannot start: the schema has 2 problem(s)\n${told}`);
  }, 30_000);
});

test('a finding of the real folders is told from where the command runs', () => {
  const { stdout } = runCheck(['--proto', join(root, 'proto', 'ai')], sourceFolders({}));
  expect(stdout).toContain('schema/auth.graphql:1:15: no proto defines auth.v1.AuthService');
});
