import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCheck } from '../../src/commands/run-check';
import type { BreakingChange } from '../../src/contract/breaking-changes';
import { auth, check, inside, proto, removeFolders, rest, sdl, shop, write, type Edits } from './fixture';

const before = write();
afterAll(removeFolders);

/** What breaks between the shop and what some edits make of it. */
function breaking(edits: Edits, older = before): BreakingChange[] {
  const { stdout } = check(write(edits), '--against', older, '--json');
  return (JSON.parse(stdout) as { breaking: BreakingChange[] }).breaking;
}

type Expected = readonly [message: string, fields: readonly string[], routes: readonly string[]];

function change(name: string, edits: Edits, expected: readonly Expected[]): void {
  test(name, () => {
    expect(breaking(edits).map(({ message, fields, routes }) => [message, fields, routes])).toEqual(expected);
  });
}

const products = ['GET /shop/products', 'GET /shop/products/{id}'];
const orders = ['POST /orders', 'POST /shop/orders'];
const kinds = ['Kind.TOY', 'Product.kind', 'ProductInput.kind', 'Query.products(kind:)'];
const reads = '{ option idempotency_level = NO_SIDE_EFFECTS; }';

describe('of services', () => {
  change(
    'a service is removed',
    { [proto]: [[`service StockService {\n  rpc GetProduct(GetProductRequest) returns (Product) ${reads}\n}\n`, '']] },
    [['the service shop.v1.StockService was removed', [], []]],
  );
  change(
    'an RPC is removed',
    { [proto]: [[`  rpc GetOrder(GetOrderRequest) returns (GetOrderResponse) ${reads}\n`, '']] },
    [['shop.v1.ShopService/GetOrder was removed', ['Query.order'], []]],
  );
  change('an RPC that objects are found by is renamed', { [proto]: [['rpc BatchGetProducts', 'rpc FindProducts']] }, [
    ['shop.v1.ShopService/BatchGetProducts was removed', ['Item.product', 'Order.products'], []],
  ]);
  change('an RPC takes another message', { [proto]: [['GetOrder(GetOrderRequest)', 'GetOrder(GetProductRequest)']] }, [
    [
      'shop.v1.ShopService/GetOrder takes shop.v1.GetProductRequest, and took shop.v1.GetOrderRequest',
      ['Query.order'],
      [],
    ],
  ]);
  change(
    'an RPC answers another message',
    { [proto]: [['(PlaceOrderRequest) returns (Order)', '(PlaceOrderRequest) returns (GetOrderResponse)']] },
    [
      [
        'shop.v1.ShopService/PlaceOrder answers shop.v1.GetOrderResponse, and answered shop.v1.Order',
        ['Mutation.placeOrder'],
        orders,
      ],
    ],
  );
  change('an RPC streams no more', { [proto]: [['returns (stream OrderEvent)', 'returns (OrderEvent)']] }, [
    ['shop.v1.ShopService/WatchOrder is unary, and was server streaming', ['Subscription.orderEvents'], []],
  ]);
  change(
    'an RPC promises less',
    {
      [proto]: [
        [`(ListProductsResponse) ${reads}`, '(ListProductsResponse) { option idempotency_level = IDEMPOTENT; }'],
      ],
    },
    [
      [
        'shop.v1.ShopService/ListProducts is IDEMPOTENT, and was NO_SIDE_EFFECTS',
        ['Query.products'],
        ['GET /shop/products'],
      ],
    ],
  );
  change(
    'an RPC promises nothing',
    {
      [proto]: [
        [
          '(UpdateProductRequest) returns (Product) { option idempotency_level = IDEMPOTENT; }',
          '(UpdateProductRequest) returns (Product);',
        ],
      ],
    },
    [['shop.v1.ShopService/UpdateProduct is IDEMPOTENCY_UNKNOWN, and was IDEMPOTENT', ['Mutation.updateProduct'], []]],
  );
});

describe('of messages', () => {
  const name = ['Product.name', 'ProductInput.name'];

  change('a field is removed', { [proto]: [['  string name = 2;\n', '']] }, [
    ['shop.v1.Product.name was removed', name, products],
  ]);
  change('a field is renamed', { [proto]: [['string name = 2;', 'string title = 2;']] }, [
    ['shop.v1.Product.name was removed: its number 2 is title now', name, products],
  ]);
  change('a field has another number', { [proto]: [['string name = 2;', 'string name = 12;']] }, [
    ['shop.v1.Product.name has the number 12, and had 2', name, products],
  ]);
  change(
    'a field has another name in JSON',
    { [proto]: [['string name = 2;', 'string name = 2 [json_name = "title"];']] },
    [['shop.v1.Product.name is called title in JSON, and was called name', name, products]],
  );
  change('a field is of another type', { [proto]: [['int32 stock = 4;', 'string stock = 4;']] }, [
    ['shop.v1.Product.stock is string, and was int32', ['Product.stock'], []],
  ]);
  change(
    'a field is of a type that looks the same on the wire',
    { [proto]: [['int32 stock = 4;', 'int64 stock = 4;']] },
    [['shop.v1.Product.stock is int64, and was int32, which has the same wire format', ['Product.stock'], []]],
  );
  change('a field is of another message', { [proto]: [['repeated Item items = 2;', 'repeated Card items = 2;']] }, [
    ['shop.v1.Order.items is shop.v1.Card, and was shop.v1.Item', ['Order.items'], orders],
  ]);
  change('a field is repeated no more', { [proto]: [['repeated string tags = 7;', 'string tags = 7;']] }, [
    ['shop.v1.Product.tags is singular, and was repeated', ['Product.tags'], []],
  ]);
  change('a field cannot be unset any more', { [proto]: [['optional string blurb = 3;', 'string blurb = 3;']] }, [
    ['shop.v1.Product.blurb is singular, and was optional', ['Product.blurb'], []],
  ]);
  change('a field leaves its oneof', { [proto]: [['    Invoice invoice = 4;\n  }', '  }\n  Invoice invoice = 4;']] }, [
    ['shop.v1.Order.invoice is in no oneof, and was in the oneof payment', ['Order.payment'], []],
  ]);
  change(
    'a field joins a oneof',
    {
      [proto]: [
        [
          '  string order_id = 1;\n  repeated Item items = 2;\n  oneof payment {',
          '  repeated Item items = 2;\n  oneof payment {\n    string order_id = 1;',
        ],
      ],
    },
    [['shop.v1.Order.order_id is in the oneof payment, and was in no oneof', ['Order.id'], orders]],
  );
  change('a field of a request is removed', { [proto]: [['  Kind kind = 3;\n  Filter', '  Filter']] }, [
    ['shop.v1.ListProductsRequest.kind was removed', ['Query.products(kind:)'], ['GET /shop/products']],
  ]);
  change('a field of a message in a request is removed', { [proto]: [['  string text = 1;\n', '']] }, [
    ['shop.v1.Filter.text was removed', ['FilterInput.text'], []],
  ]);
  change('a field that the session fills is removed', { [proto]: [['\n  string user_id = 2;', '']] }, [
    ['shop.v1.PlaceOrderRequest.user_id was removed', ['Mutation.placeOrder'], orders],
  ]);
  change('a key is removed', { [proto]: [['message Item {\n  string product_id = 1;', 'message Item {']] }, [
    ['shop.v1.Item.product_id was removed', ['Item.product', 'ItemInput.productId'], orders],
  ]);
  change(
    'a message is removed',
    {
      [proto]: [
        ['message Card {\n  string last_digits = 1;\n}\n', ''],
        ['    Card card = 3;\n', ''],
      ],
    },
    [
      ['shop.v1.Order.card was removed', ['Order.payment'], []],
      ['the message shop.v1.Card was removed', ['Card.lastDigits', 'Order.payment'], []],
    ],
  );
});

describe('of enums', () => {
  change('a value is removed', { [proto]: [['  KIND_TOY = 2;\n', '']] }, [
    ['shop.v1.Kind.KIND_TOY was removed', kinds, products],
  ]);
  change('a value is renamed', { [proto]: [['KIND_TOY = 2;', 'KIND_GAME = 2;']] }, [
    ['shop.v1.Kind.KIND_TOY was removed: its number 2 is KIND_GAME now', kinds, products],
  ]);
  change('a value has another number', { [proto]: [['KIND_TOY = 2;', 'KIND_TOY = 3;']] }, [
    ['shop.v1.Kind.KIND_TOY has the number 3, and had 2', kinds, products],
  ]);
  test('an enum is removed', () => {
    const text = (shop[proto] ?? '')
      .replace('enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_BOOK = 1;\n  KIND_TOY = 2;\n}\n', '')
      .replaceAll('Kind kind', 'int32 kind')
      .replace('repeated Kind', 'repeated int32');
    const removed = breaking({ [proto]: text }).find(({ message }) => message === 'the enum shop.v1.Kind was removed');
    expect(removed?.fields).toEqual(['Kind.BOOK', ...kinds]);
    expect(removed?.routes).toEqual(products);
  });
});

describe('of what @policy needs', () => {
  const rpc = '  rpc CheckPermission(CheckPermissionRequest) returns (CheckPermissionResponse);\n';
  const end = '  rpc WatchRevocations(WatchRevocationsRequest) returns (stream Revocation);\n';
  const messages =
    'message CheckPermissionRequest {\n  string user_id = 1;\n  string permission = 2;\n}\n\nmessage CheckPermissionResponse {\n  bool allowed = 1;\n}\n';
  const withRpc = [
    [end, end + rpc],
    ['message RevokeSessionResponse {}\n', `message RevokeSessionResponse {}\n${messages}`],
  ] as const;
  const open = 'product(id: ID!): Product @public';
  const asked = 'product(id: ID!): Product @policy(policies: [["shop:read"]])';

  test('the fields that have it, and their routes', () => {
    const older = write({ [sdl]: [[open, asked]], [auth]: withRpc });
    const edits = {
      [sdl]: [[open, asked]] as const,
      [auth]: [withRpc[0], [withRpc[1][0], withRpc[1][1].replace('bool allowed = 1', 'bool allowed = 2')]] as const,
    };
    expect(breaking(edits, older).map(({ message, fields, routes }) => [message, fields, routes])).toEqual([
      [
        'auth.v1.CheckPermissionResponse.allowed has the number 2, and had 1',
        ['Query.product'],
        ['GET /shop/products/{id}'],
      ],
    ]);
  });
});

describe('of what sign-in and sessions need', () => {
  const signedIn = ['Mutation.placeOrder', 'Mutation.updateProduct', 'Query.order', 'Subscription.orderEvents'];

  change(
    'all that is protected goes with the sessions',
    { [auth]: [['string user_id = 2;', 'string user_id = 12;']] },
    [['auth.v1.ValidateSessionResponse.user_id has the number 12, and had 2', signedIn, orders]],
  );
  change('sign-out goes with its RPC', { [auth]: [['rpc RevokeSession(', 'rpc EndSession(']] }, [
    ['auth.v1.AuthService/RevokeSession was removed', [], ['POST /api/v1/auth/logout']],
  ]);
  change('sign-in goes with a field', { [auth]: [['  string nonce = 5;', '  string nonce = 6;']] }, [
    [
      'auth.v1.HandleSsoCallbackRequest.nonce has the number 6, and had 5',
      [],
      ['GET /api/v1/auth/{provider}/callback'],
    ],
  ]);
});

describe('of the schema', () => {
  change('a field is removed', { [sdl]: [['  stock: Int!\n', '']] }, [
    ['Product.stock was removed', ['Product.stock'], []],
  ]);
  change(
    'an argument and its type are removed',
    {
      [sdl]: [
        [', filter: FilterInput', ''],
        ['input FilterInput {\n  text: String\n  tags: [String!]\n}\n', ''],
      ],
    },
    [
      ['FilterInput was removed', ['FilterInput'], []],
      ['Query.products arg filter was removed', ['Query.products(filter:)'], []],
    ],
  );
  change('a field becomes nullable', { [sdl]: [['name: String!\n  blurb', 'name: String\n  blurb']] }, [
    ['Product.name changed type from String! to String', ['Product.name'], products],
    ['GET /shop/products/{id} answers name as String, and answered it as String!', [], ['GET /shop/products/{id}']],
    ['GET /shop/products answers products.name as String, and answered it as String!', [], ['GET /shop/products']],
  ]);
  change('a value of an enum is removed', { [sdl]: [['  TOY\n', '']] }, [
    ['TOY was removed from enum type Kind', ['Kind.TOY'], products],
  ]);
  change('an argument is needed', { [sdl]: [['product(id: ID!)', 'product(id: ID!, depth: Int!)']] }, [
    ['A required arg depth on Query.product was added', ['Query.product'], ['GET /shop/products/{id}']],
  ]);
  change('a field of an input is needed', { [sdl]: [['input ItemInput {', 'input ItemInput {\n  size: Int!']] }, [
    ['A required field size on input type ItemInput was added', ['ItemInput'], orders],
  ]);
  change('a member of a union is removed', { [sdl]: [['union Payment = Card | Invoice', 'union Payment = Card']] }, [
    ['Invoice was removed from union type Payment', ['Invoice'], []],
  ]);
});

describe('of routes', () => {
  change('a route is removed', { [rest]: [['"/shop/products/{id}"', '"/shop/items/{id}"']] }, [
    ['GET /shop/products/{id} was removed', [], ['GET /shop/products/{id}']],
  ]);
  change('a path is removed', { [rest]: [[' alias: ["/orders"],', '']] }, [
    ['POST /orders was removed', [], ['POST /orders']],
  ]);
  change('another verb', { [rest]: [['method: POST', 'method: PUT']] }, [
    ['POST /shop/orders was removed', [], ['POST /shop/orders']],
    ['POST /orders was removed', [], ['POST /orders']],
  ]);
  change(
    'another status',
    {
      [rest]: [
        [' alias: ["/orders"],', ''],
        [', status: 201', ''],
      ],
    },
    [
      ['POST /shop/orders answers 200, and answered 201', [], ['POST /shop/orders']],
      ['POST /orders was removed', [], ['POST /orders']],
    ],
  );
  change(
    'a query parameter is removed',
    {
      [rest]: [
        [', $kind: Kind @enumCase(as: PASCAL)', ''],
        [', kind: $kind', ''],
      ],
    },
    [['GET /shop/products takes the query parameter kind no more', [], ['GET /shop/products']]],
  );
  change('a query parameter is written otherwise', { [rest]: [['$kind: Kind @enumCase(as: PASCAL)', '$kind: Kind']] }, [
    [
      'GET /shop/products takes the query parameter kind as Kind, and took it as Kind in PascalCase',
      [],
      ['GET /shop/products'],
    ],
  ]);
  change('a query parameter is needed', { [rest]: [['$pageToken: String', '$pageToken: String!']] }, [
    ['GET /shop/products needs the query parameter pageToken, and did not', [], ['GET /shop/products']],
  ]);
  change(
    'a field of a body has another name',
    {
      [rest]: [
        [' alias: ["/orders"],', ' alias: [],'],
        ['$items: [ItemInput!]!', '$things: [ItemInput!]!'],
        ['items: $items', 'items: $things'],
      ],
    },
    [
      ['POST /shop/orders takes the body field items no more', [], ['POST /shop/orders']],
      ['POST /shop/orders needs the body field things, and did not', [], ['POST /shop/orders']],
      ['POST /orders was removed', [], ['POST /orders']],
    ],
  );
  change('the answer lacks a field', { [rest]: [['    id\n    name\n    kind', '    id\n    kind']] }, [
    ['GET /shop/products/{id} answers without name', [], ['GET /shop/products/{id}']],
  ]);
  change('the answer is written otherwise', { [rest]: [['kind @enumCase(as: PASCAL)\n', 'kind\n']] }, [
    ['GET /shop/products/{id} answers kind in UPPER_CASE, and did not', [], ['GET /shop/products/{id}']],
  ]);
  change(
    'a field of the answer is in a header',
    { [rest]: [['    name\n    kind', '    name @header(name: "X-Name")\n    kind']] },
    [['GET /shop/products/{id} answers without name', [], ['GET /shop/products/{id}']]],
  );
  change('a field of the answer is another', { [rest]: [['    name\n    kind', '    name: tags\n    kind']] }, [
    ['GET /shop/products/{id} answers name as [String!]!, and answered it as String!', [], ['GET /shop/products/{id}']],
  ]);
});

describe('nothing breaks where', () => {
  change('nothing changed', {}, []);
  change(
    'something was added',
    {
      [proto]: [
        ['  Size size = 10;', '  Size size = 10;\n  string maker = 11;\n  optional int32 year = 12;'],
        ['  KIND_TOY = 2;\n', '  KIND_TOY = 2;\n  KIND_GAME = 3;\n'],
        ['service StockService {', `service StockService {\n  rpc GetSize(GetProductRequest) returns (Size) ${reads}`],
        ['message Size {', 'message Weight {\n  double grams = 1;\n}\n\nmessage Size {'],
      ],
      [sdl]: [
        ['enum Kind {', 'enum Kind {\n  GAME'],
        ['createdAt: DateTime', 'createdAt: DateTime\n  maker: String!\n  year: Int'],
        ['product(id: ID!)', 'product(id: ID!, depth: Int)'],
      ],
      [rest]: [
        ['    name\n    kind', '    name\n    maker\n    kind'],
        ['alias: ["/orders"]', 'alias: ["/orders", "/api/orders"]'],
        ['$pageSize: Int,', '$pageSize: Int, $text: String,'],
        ['kind: $kind)', 'kind: $kind, filter: { text: $text })'],
      ],
    },
    [],
  );
  change('an RPC promises more', { [proto]: [['{ option idempotency_level = IDEMPOTENT; }', reads]] }, []);
  change(
    'a variable of a path has another name',
    {
      [rest]: [
        ['{id}', '{key}'],
        ['$id: ID!', '$key: ID!'],
        ['id: $id', 'id: $key'],
      ],
    },
    [],
  );
  change('a field becomes non-null', { [sdl]: [['product(id: ID!): Product ', 'product(id: ID!): Product! ']] }, []);
});

describe('the older copy', () => {
  test('may be a folder of protos alone', () => {
    expect(breaking({ [proto]: [['string name = 2;', 'string name = 12;']] }, join(before, 'proto'))).toEqual([
      {
        in: 'proto',
        message: 'shop.v1.Product.name has the number 12, and had 2',
        fields: ['Product.name', 'ProductInput.name'],
        routes: products,
      },
    ]);
  });

  test('may be a folder with proto/ in it and no schema/', () => {
    const older = write();
    rmSync(join(older, 'schema'), { recursive: true });
    expect(breaking({ [proto]: [['KIND_TOY = 2;', 'KIND_TOY = 3;']] }, older).map(({ message }) => message)).toEqual([
      'shop.v1.Kind.KIND_TOY has the number 3, and had 2',
    ]);
  });

  test('need not fit any more', () => {
    const older = write({ [sdl]: [['blurb: String', 'blurb: String\n  weight: Float']] });
    expect(breaking({}, older).map(({ message }) => message)).toEqual(['Product.weight was removed']);
  });

  test('is not compared with what cannot be read', () => {
    const { exitCode, stdout } = check(write({ [sdl]: [['type Mutation {', 'type Mutation (']] }), '--against', before);
    expect(exitCode).toBe(1);
    expect(inside(before, stdout)).toContain('1 finding\n\nnot compared with .: the files cannot be read\n');
  });
});

test('changes are told with what they take down', () => {
  const folder = write({
    [proto]: [
      ['string name = 2;', 'string name = 12;'],
      [`service StockService {\n  rpc GetProduct(GetProductRequest) returns (Product) ${reads}\n}\n`, ''],
    ],
  });
  const { exitCode, stdout } = check(folder, '--against', before);
  expect(exitCode).toBe(1);
  const told = inside(before, stdout);
  expect(told.slice(told.indexOf('the service'))).toBe(`the service shop.v1.StockService was removed
    no field and no route stands on it

shop.v1.Product.name has the number 12, and had 2
    fields: Product.name, ProductInput.name
    routes: GET /shop/products, GET /shop/products/{id}

2 breaking changes since .

8 fields, 4 routes, no findings
`);
});

test('this repository has not changed since itself', () => {
  const { exitCode, stdout } = runCheck(['--against', '.'], { schemaDir: 'schema', protoDir: 'proto' });
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('no breaking changes since')]);
});

test('without a change the check is clean', () => {
  const { exitCode, stdout } = check(write(), '--against', before);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/\n\nno breaking changes since .+\n\n8 fields, 4 routes, no findings\n$/);
});
