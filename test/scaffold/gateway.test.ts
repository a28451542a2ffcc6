/** A gateway in front of a service that it knows from an import alone. */
import { join } from 'node:path';
import { status, type sendUnaryData, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { startWorld, type Decoded, type World } from '../gateway-fixture';
import { createWorkspace, startService, stopServices, type Workspace } from './fixture';

type Call = ServerUnaryCall<Decoded, Decoded>;
type Callback = sendUnaryData<Decoded>;

const products = ['Pen', 'Ink', 'Paper'].map((title, index) => ({
  product_id: `p${index}`,
  title,
  price: '9007199254740993',
  availability: index === 1 ? 'AVAILABILITY_SOLD_OUT' : 'AVAILABILITY_IN_STOCK',
  tags: ['desk'],
  labels: { colour: 'blue' },
  created_at: { seconds: '1700000000', nanos: 0 },
}));

/** What the shop was asked to change. */
const changes: Decoded[] = [];

const handlers = {
  GetProduct({ request }: Call, callback: Callback) {
    const product = products.find((each) => each.product_id === request.product_id);
    if (product) callback(null, { product });
    else callback({ code: status.NOT_FOUND, details: 'no such product' });
  },
  ListProducts({ request }: Call, callback: Callback) {
    const start = Number(request.page_token || 0);
    const end = start + Number(request.page_size);
    callback(null, {
      products: products.slice(start, end),
      next_page_token: end < products.length ? String(end) : '',
      total_size: String(products.length),
      unreachable: ['attic'],
    });
  },
  UpdateProduct({ request }: Call, callback: Callback) {
    changes.push(request);
    callback(null, { ...products[0], ...request.product });
  },
  DeleteProduct(_: Call, callback: Callback) {
    callback(null, {});
  },
  PlaceOrder({ request }: Call, callback: Callback) {
    callback(null, { order_id: 'o1', ...request });
  },
  WatchOrders(call: ServerWritableStream<Decoded, Decoded>) {
    const order = { order_id: 'o1', product_id: call.request.product_id };
    for (const sequence of [1, 2]) call.write({ order, sequence });
    call.end();
  },
};

let workspace: Workspace;
let world: World;
beforeAll(async () => {
  workspace = createWorkspace();
  const proto = join(__dirname, 'shop.proto');
  const address = await startService({
    proto,
    service: 'acme.shop.v1.ShopService',
    handlers,
    reflection: 'file by file',
  });
  const { exitCode } = await workspace.run(address);
  expect(exitCode).toBe(0);
  // What whoever imported it does next: says who may ask. One field is left as it was written.
  const sdl = workspace
    .sdl('shop')
    .replace(/@requiresScopes\(scopes: \[\["shop:(?!DeleteProduct)\w+"\]\]\)/g, '@public');
  workspace.write('schema/shop.graphql', sdl);
  const { schemaDir, protoDir } = workspace;
  world = await startWorld({ env: { SCHEMA_DIR: schemaDir, PROTO_DIR: protoDir, SHOP_SERVICE_ADDR: address } });
});
afterAll(async () => {
  await world?.close();
  stopServices();
  workspace.remove();
});

test('one object', async () => {
  const { data, errors } = await world.graphql(
    '{ product(productId: "p1") { title price availability tags labels createdAt accessories { title } } none: product(productId: "x") { title } }',
  );
  expect(data).toEqual({
    product: {
      title: 'Ink',
      price: '9007199254740993',
      availability: 'SOLD_OUT',
      tags: ['desk'],
      labels: { colour: 'blue' },
      createdAt: '2023-11-14T22:13:20Z',
      accessories: [],
    },
    none: null,
  });
  expect(errors).toMatchObject([{ path: ['none'], extensions: { code: 'NOT_FOUND' } }]);
});

test('a page, and the next one', async () => {
  const query = `query ($after: String) {
    products(first: 2, after: $after) { nodes { title } totalCount unreachable pageInfo { hasNextPage endCursor } }
  }`;
  const { data: first } = await world.graphql(query);
  expect(first.products).toMatchObject({
    nodes: [{ title: 'Pen' }, { title: 'Ink' }],
    totalCount: 3,
    unreachable: ['attic'],
    pageInfo: { hasNextPage: true },
  });
  const { data: next } = await world.graphql(query, { variables: { after: first.products.pageInfo.endCursor } });
  expect(next.products).toMatchObject({ nodes: [{ title: 'Paper' }], pageInfo: { hasNextPage: false } });
});

test('a change: the mask is what was sent, and not the key', async () => {
  const { data, errors } = await world.graphql(
    'mutation { updateProduct(productId: "p0", input: { title: "Pencil", tags: [] }) { productId title tags } }',
  );
  expect(errors).toBeUndefined();
  expect(data).toEqual({ updateProduct: { productId: 'p0', title: 'Pencil', tags: [] } });
  expect(changes).toMatchObject([
    { product: { product_id: 'p0', title: 'Pencil' }, update_mask: { paths: ['title', 'tags'] } },
  ]);
});

test('a whole request as input, one of a oneof', async () => {
  const { data } = await world.graphql(`mutation {
    placeOrder(input: { productId: "p0", quantity: 2, card: { number: "42" } }) { orderId quantity card { number } account }
  }`);
  expect(data).toEqual({ placeOrder: { orderId: 'o1', quantity: 2, card: { number: '42' }, account: null } });
  const { errors } = await world.graphql(
    'mutation { placeOrder(input: { card: { number: "42" }, account: "DE1" }) { orderId } }',
  );
  expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
});

test('a stream', async () => {
  const response = await fetch(`${world.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { watchOrders(productId: "p2") { sequence order { productId } } }' }),
  });
  const events = [...(await response.text()).matchAll(/^data: ?(.*watchOrders.*)$/gm)].map(([, json = '']) =>
    JSON.parse(json),
  );
  expect(events).toEqual(
    [1, 2].map((sequence) => ({ data: { watchOrders: { sequence, order: { productId: 'p2' } } } })),
  );
});

test('as it was written, nobody may ask', async () => {
  const query = 'mutation { deleteProduct(productId: "p0") }';
  expect((await world.graphql(query)).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
  expect((await world.graphql(query, { token: null })).errors).toMatchObject([
    { extensions: { code: 'UNAUTHENTICATED' } },
  ]);
});
