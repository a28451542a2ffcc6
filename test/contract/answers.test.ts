import { mistake, proto, removeFolders, sdl } from './fixture';

afterAll(removeFolders);

describe('what answers a field', () => {
  mistake('an RPC that there is not', { [sdl]: [['@grpc(rpc: "GetOrder"', '@grpc(rpc: "GetOrders"']] }, [
    'schema/shop.graphql:6:40: shop.v1.ShopService has no RPC "GetOrders"',
    '    Did you mean "GetOrder"?',
  ]);
  mistake('an RPC that is like no other', { [sdl]: [['@grpc(rpc: "GetOrder"', '@grpc(rpc: "Fetch"']] }, [
    'schema/shop.graphql:6:40: shop.v1.ShopService has no RPC "Fetch"',
    '    There are GetProduct, ListProducts, BatchGetProducts, GetOrder, WatchOrder, UpdateProduct, PlaceOrder, UploadPhotos.',
  ]);
  mistake(
    'a root field that nothing answers',
    {
      [sdl]: [
        [
          'order(id: ID!): Order @authenticated @grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")',
          'order(id: ID!): Order @authenticated',
        ],
      ],
    },
    ['schema/shop.graphql:6:3: nothing answers Query.order', '    Add @grpc(rpc: "...").'],
  );
  mistake(
    'two answers',
    {
      [sdl]: [
        [
          'product: Product @join(key: "productId")',
          'product: Product @join(key: "productId") @resolver(name: "gateway")',
        ],
      ],
    },
    ['schema/shop.graphql:59:3: Item.product is answered by @join and @resolver at once', '    Keep one of them.'],
  );
  mistake(
    'a function that there is not',
    { [sdl]: [['product: Product @join(key: "productId")', 'product: Product @resolver(name: "product")']] },
    ['schema/shop.graphql:59:20: there is no resolver "product"', '    There are gateway, logout, signOut.'],
  );
  mistake(
    '@proto where something else answers',
    {
      [sdl]: [
        ['product: Product @join(key: "productId")', 'product: Product @proto(field: "item") @join(key: "productId")'],
      ],
    },
    ['schema/shop.graphql:59:20: @proto says nothing on Item.product: @join answers it', '    Remove it.'],
  );
  mistake('@proto on a type that is in no union', { [sdl]: [['type Item {', 'type Item @proto(field: "items") {']] }, [
    'schema/shop.graphql:57:11: @proto on the type Item says nothing: it is in no union',
    '    Remove it. On a type it names the member of a oneof that the type stands for.',
  ]);
  mistake(
    'an answer on a field of an interface',
    {
      [sdl]: [
        [
          'type Card {',
          'interface Digits {\n  lastDigits: String! @grpc(rpc: "GetProduct")\n}\n\ntype Card implements Digits {',
        ],
      ],
    },
    [
      'schema/shop.graphql:65:23: @grpc says nothing on Digits.lastDigits: Digits is an interface',
      '    Put it on the field of each type that implements the interface.',
    ],
  );
});

describe('what a field is read from', () => {
  mistake('a field that the message does not have', { [sdl]: [['blurb: String', 'blurbs: String']] }, [
    'schema/shop.graphql:25:3: Product.blurbs: shop.v1.Product has no field "blurbs"',
    '    Did you mean "blurb"?',
  ]);
  mistake('a field that is like no other', { [sdl]: [['blurb: String', 'weight: String']] }, [
    'schema/shop.graphql:25:3: Product.weight: shop.v1.Product has no field "weight"',
    '    Its fields are productId, name, blurb, stock, views, kind, tags, createdAt, similarKinds, size. Rename with @proto(field: "...").',
  ]);
  mistake(
    'a name in @proto that the message does not have',
    { [sdl]: [['id: ID! @proto(field: "productId")', 'id: ID! @proto(field: "id")']] },
    ['schema/shop.graphql:23:3: Product.id: shop.v1.Product has no field "id"', '    Did you mean "kind"?'],
  );
  mistake('a scalar of another type', { [sdl]: [['stock: Int!', 'stock: Boolean!']] }, [
    'schema/shop.graphql:26:3: stock is Boolean!, but shop.v1.Product.stock is int32',
    '    It can be Int or Float or BigInt or String or ID.',
  ]);
  mistake('a number that may not fit', { [sdl]: [['createdAt: DateTime', 'createdAt: Int']] }, [
    'schema/shop.graphql:30:3: createdAt is Int, but shop.v1.Product.created_at is google.protobuf.Timestamp',
    '    It can be DateTime or String.',
  ]);
  mistake('a list in place of one value', { [sdl]: [['stock: Int!', 'stock: [Int!]!']] }, [
    'schema/shop.graphql:26:3: stock is [Int!]!, but shop.v1.Product.stock is int32',
    '    It can be Int or Float or BigInt or String or ID.',
  ]);
  mistake('one value in place of a list', { [sdl]: [['tags: [String!]!\n  createdAt', 'tags: String\n  createdAt']] }, [
    'schema/shop.graphql:29:3: tags is String, but shop.v1.Product.tags is repeated string',
    '    It can be [String!]! or [ID!]!.',
  ]);
  mistake('text in place of an enum', { [sdl]: [['kind: Kind\n  tags', 'kind: String\n  tags']] }, [
    'schema/rest/shop.graphql:5:5: kind has @enumCase, and String is no enum',
    '    Remove @enumCase.',
    'schema/shop.graphql:28:3: kind is String, but shop.v1.Product.kind is shop.v1.Kind',
    '    It can be an enum.',
  ]);
  mistake(
    'a scalar in place of a message',
    { [sdl]: [['createdAt: DateTime', 'createdAt: DateTime\n  size: String']] },
    [
      'schema/shop.graphql:31:3: size is String, but shop.v1.Product.size is shop.v1.Size',
      '    It can be an object type or JSON.',
    ],
  );
  mistake('non-null over a message', { [sdl]: [['createdAt: DateTime', 'createdAt: DateTime!']] }, [
    'schema/shop.graphql:30:3: createdAt is non-null, but shop.v1.Product.created_at can be unset',
    '    Make it DateTime.',
  ]);
  mistake('non-null over optional', { [sdl]: [['blurb: String', 'blurb: String!']] }, [
    'schema/shop.graphql:25:3: blurb is non-null, but shop.v1.Product.blurb can be unset',
    '    Make it String.',
  ]);
  mistake('non-null over an enum that may be unspecified', { [sdl]: [['kind: Kind\n  tags', 'kind: Kind!\n  tags']] }, [
    'schema/shop.graphql:28:3: kind is non-null, but shop.v1.Product.kind can be unset',
    '    Make it Kind.',
  ]);
  mistake(
    'a list of non-null values of such an enum',
    { [sdl]: [['createdAt: DateTime', 'createdAt: DateTime\n  similarKinds: [Kind!]!']] },
    [
      'schema/shop.graphql:31:3: similarKinds holds non-null values, but shop.v1.Kind can be unspecified',
      '    Make it [Kind]!.',
    ],
  );
  mistake(
    'non-null over a part of the response',
    { [sdl]: [['order(id: ID!): Order @authenticated', 'order(id: ID!): Order! @authenticated']] },
    [
      'schema/shop.graphql:6:3: order is non-null, but shop.v1.GetOrderResponse.order can be unset',
      '    Make it Order.',
    ],
  );
  mistake('a part that the response does not have', { [sdl]: [['response: "order"', 'response: "orders"']] }, [
    'schema/shop.graphql:6:40: response: shop.v1.GetOrderResponse has no field "orders"',
    '    Did you mean "order"?',
  ]);
  mistake(
    'a part within many',
    {
      [sdl]: [
        ['response: "order"', 'response: "order.items.count"'],
        ['order(id: ID!): Order @auth', 'order(id: ID!): Int @auth'],
      ],
    },
    [
      'schema/shop.graphql:6:38: response: order.items.count goes through items, which is not one message',
      '    A path leads through single messages.',
    ],
  );
  mistake(
    'a scalar in place of the whole response',
    { [sdl]: [['product(id: ID!): Product @public', 'product(id: ID!): String @public']] },
    [
      'schema/rest/shop.graphql:2:20: Field "product" must not have a selection since type "String" has no subfields',
      '    Remove what it selects.',
      'schema/shop.graphql:4:3: product is String, but GetProduct answers shop.v1.Product',
      '    Use an object type, or say response: "FIELD" of @grpc.',
    ],
  );
  mistake(
    'a oneof with a member that the union lacks',
    { [sdl]: [['union Payment = Card | Invoice', 'union Payment = Card']] },
    [
      'schema/shop.graphql:53:3: Payment has no type for "invoice" of the oneof payment',
      '    Add a type Invoice, or one with @proto(field: "invoice").',
      'schema/shop.graphql:68:1: nothing leads to the type Invoice',
      '    Use it as the type of a field or an argument, or remove it.',
    ],
  );
  mistake('a value that the enum of the proto does not have', { [sdl]: [['  TOY\n', '  TOYS\n']] }, [
    'schema/shop.graphql:33:1: Kind lacks TOY of shop.v1.Kind',
    '    Add what is missing: an upstream may send it.',
    'schema/shop.graphql:35:3: Kind.TOYS: shop.v1.Kind has no value "TOYS"',
    '    Did you mean "TOY"?',
  ]);
  mistake('a value that the enum of the schema lacks', { [sdl]: [['  TOY\n', '']] }, [
    'schema/shop.graphql:33:1: Kind lacks TOY of shop.v1.Kind',
    '    Add what is missing: an upstream may send it.',
  ]);
});

describe('what changes something', () => {
  mistake(
    'a query that changes something',
    {
      [sdl]: [
        [
          '@grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")',
          '@grpc(rpc: "PlaceOrder", request: { userId: "$args.id" })',
        ],
      ],
    },
    [
      'schema/shop.graphql:6:40: Query.order calls PlaceOrder, which has side effects',
      '    Make it a field of Mutation, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.',
    ],
  );
  mistake(
    'a field of an object that changes something',
    {
      [sdl]: [
        [
          'createdAt: DateTime',
          'createdAt: DateTime\n  reorder: Order @grpc(rpc: "PlaceOrder", request: { userId: "$parent.productId" })',
        ],
      ],
    },
    [
      'schema/shop.graphql:31:18: Product.reorder calls PlaceOrder, which has side effects',
      '    Make it a field of Mutation, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.',
    ],
  );
  mistake(
    'a look-up that changes something',
    {
      [proto]: [
        [
          '(BatchGetProductsResponse) { option idempotency_level = NO_SIDE_EFFECTS; }',
          '(BatchGetProductsResponse) { option idempotency_level = IDEMPOTENT; }',
        ],
      ],
    },
    [
      'schema/shop.graphql:22:14: @lookup of Product calls BatchGetProducts, which has side effects',
      '    Name an RPC that only reads, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.',
    ],
  );
});

describe('streams', () => {
  mistake(
    'an RPC that takes a stream',
    {
      [sdl]: [
        ['type Mutation {', 'type Mutation {\n  upload: Uploaded @authenticated @grpc(rpc: "UploadPhotos")'],
        ['type Card {', 'type Uploaded {\n  count: Int!\n}\n\ntype Card {'],
      ],
    },
    [
      'schema/shop.graphql:10:35: UploadPhotos takes a stream, which no field can send',
      '    Remove the field: the RPC stays with gRPC clients.',
    ],
  );
  mistake(
    'a subscription to an RPC that answers once',
    {
      [sdl]: [
        ['OrderEvent! @authenticated @grpc(rpc: "WatchOrder"', 'Order! @authenticated @grpc(rpc: "GetOrder"'],
        ['{ orderId: "$args.id" })\n}', '{ orderId: "$args.id" }, response: "order")\n}'],
        ['type OrderEvent {\n  id: ID! @proto(field: "orderId")\n  note: String!\n}\n', ''],
        ['orderEvents(id: ID!): Order!', 'orderEvents(id: ID!): Order'],
      ],
    },
    [
      'schema/shop.graphql:19:46: Subscription.orderEvents needs a streaming RPC, and GetOrder answers once',
      '    Name an RPC that answers a stream, or make it a field of Query or Mutation.',
    ],
  );
  mistake(
    'a subscription that a function answers',
    { [sdl]: [['@grpc(rpc: "WatchOrder", request: { orderId: "$args.id" })', '@resolver(name: "gateway")']] },
    [
      'schema/shop.graphql:19:3: Subscription.orderEvents needs a streaming RPC, and has @resolver',
      '    Answer it with @grpc(rpc: "...").',
    ],
  );
  mistake(
    'a stream in place of one object',
    {
      [sdl]: [
        [
          'order(id: ID!): Order @authenticated @grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")',
          'order(id: ID!): Order @authenticated @grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")\n  event(id: ID!): OrderEvent @authenticated @grpc(rpc: "WatchOrder", request: { orderId: "$args.id" })',
        ],
      ],
    },
    [
      'schema/shop.graphql:7:45: WatchOrder answers a stream, and Query.event is not a list',
      '    Make it a list, which collects the stream, or a field of Subscription.',
    ],
  );
  mistake(
    'a stream that stands in for a stream',
    { [sdl]: [['@grpc(rpc: "WatchOrder",', '@grpc(rpc: "WatchOrder", fallback: "WatchOrder",']] },
    [
      'schema/shop.graphql:19:52: fallback: WatchOrder streams, and stands in for a stream',
      '    Name an RPC that takes one message and answers once.',
    ],
  );
  mistake(
    'a stand-in without a stream',
    { [sdl]: [['@grpc(rpc: "GetOrder",', '@grpc(rpc: "GetOrder", fallback: "GetProduct",']] },
    [
      'schema/shop.graphql:6:40: fallback: says nothing on Query.order: it is for fields of Subscription',
      '    Remove it.',
    ],
  );
  mistake(
    'a stand-in that lacks what is non-null',
    {
      [sdl]: [
        ['@grpc(rpc: "WatchOrder",', '@grpc(rpc: "WatchOrder", fallback: "PlaceOrder",'],
        ['{ orderId: "$args.id" })\n}', '{})\n}'],
        ['orderEvents(id: ID!)', 'orderEvents'],
      ],
    },
    [
      'schema/shop.graphql:74:3: note is non-null, but shop.v1.Order, which stands in, has no field "note"',
      '    Make it String.',
    ],
  );
  mistake('a cap on what answers once', { [sdl]: [['@grpc(rpc: "GetOrder",', '@grpc(rpc: "GetOrder", max: 5,']] }, [
    'schema/shop.graphql:6:40: max: says nothing on Query.order: GetOrder answers once',
    '    Remove it.',
  ]);
});
