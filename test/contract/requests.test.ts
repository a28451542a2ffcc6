import { mistake, proto, removeFolders, sdl } from './fixture';

afterAll(removeFolders);

describe('what a request is made of', () => {
  mistake(
    'an argument that lands nowhere',
    {
      [sdl]: [
        [
          'products(first: Int = 25, after: String, kind: Kind,',
          'products(first: Int = 25, after: String, kinds: Kind,',
        ],
      ],
    },
    [
      'schema/rest/shop.graphql:10:49: Unknown argument "kind" on field "Query.products"',
      '    Did you mean "kinds"?',
      'schema/shop.graphql:5:44: the argument kinds lands nowhere: shop.v1.ListProductsRequest has no field "kinds"',
      '    Did you mean "kind"?',
    ],
  );
  mistake(
    'an argument that is like no field',
    { [sdl]: [['products(first: Int = 25,', 'products(cheapest: Boolean, first: Int = 25,']] },
    [
      'schema/shop.graphql:5:12: the argument cheapest lands nowhere: shop.v1.ListProductsRequest has no field "cheapest"',
      '    Map it with request: { ... } of @grpc, or rename it with @proto.',
    ],
  );
  mistake(
    'an argument of a field that makes no request',
    { [sdl]: [['blurb: String', 'blurb(language: String): String']] },
    [
      'schema/shop.graphql:25:9: the argument language lands nowhere: no request is made for Product.blurb',
      '    Remove it, or answer the field with @grpc(rpc: "...").',
    ],
  );
  mistake('an argument of a join', { [sdl]: [['product: Product @join', 'product(depth: Int): Product @join']] }, [
    'schema/shop.graphql:59:11: the argument depth lands nowhere: no request is made for Item.product',
    '    Remove it, or answer the field with @grpc(rpc: "...").',
  ]);
  mistake(
    'a field of an input that lands nowhere',
    { [sdl]: [['input FilterInput {\n  text: String', 'input FilterInput {\n  texts: String']] },
    ['schema/shop.graphql:78:3: FilterInput.texts: shop.v1.Filter has no field "texts"', '    Did you mean "text"?'],
  );
  mistake('an argument of another type', { [sdl]: [['kind: Kind, filter', 'kind: String, filter']] }, [
    'schema/rest/shop.graphql:9:56: Variable "$kind" of type "Kind" used in position expecting type "String"',
    '    Make it $kind: String.',
    'schema/shop.graphql:5:44: kind is String, but shop.v1.ListProductsRequest.kind is shop.v1.Kind',
    '    It can be an enum.',
  ]);
  mistake(
    'one value in place of a list',
    {
      [sdl]: [
        [
          'input FilterInput {\n  text: String\n  tags: [String!]',
          'input FilterInput {\n  text: String\n  tags: String',
        ],
      ],
    },
    [
      'schema/shop.graphql:79:3: tags is String, but shop.v1.Filter.tags is repeated string',
      '    It can be [String!] or [ID!].',
    ],
  );
  mistake(
    'a mapping of a field that the request does not have',
    { [sdl]: [['{ productId: "$args.id" })', '{ productIds: "$args.id" })']] },
    [
      'schema/shop.graphql:4:11: the argument id lands nowhere: shop.v1.GetProductRequest has no field "id"',
      '    Map it with request: { ... } of @grpc, or rename it with @proto.',
      'schema/shop.graphql:4:73: shop.v1.GetProductRequest has no field "productIds"',
      '    Did you mean "productId"?',
    ],
  );
  mistake(
    'a mapping of an argument that there is not',
    { [sdl]: [['{ productId: "$args.id" })', '{ productId: "$args.ids" })']] },
    [
      'schema/shop.graphql:4:11: the argument id lands nowhere: shop.v1.GetProductRequest has no field "id"',
      '    Map it with request: { ... } of @grpc, or rename it with @proto.',
      'schema/shop.graphql:4:84: product has no argument "ids"',
      '    Did you mean "id"?',
    ],
  );
  mistake(
    'a mapping of a part that an argument does not have',
    {
      [sdl]: [
        [
          '{ product: ["$args.input", { productId: "$args.id" }] }',
          '{ product: ["$args.input", { productId: "$args.id", blurb: "$args.input.blurb" }] }',
        ],
      ],
    },
    ['schema/shop.graphql:12:101: the argument input has no field "blurb"', '    Its fields are name, kind.'],
  );
  mistake(
    'the session in place of a number',
    { [sdl]: [['{ productId: "$args.id" })', '{ productId: "$args.id", depth: "$session.userId" })']] },
    [
      'schema/shop.graphql:4:103: $session.userId is string, but depth is int32',
      '    It fills fields of type string alone.',
    ],
  );
  mistake('the parent of a root field', { [sdl]: [['{ productId: "$args.id" })', '{ productId: "$parent.id" })']] }, [
    'schema/shop.graphql:4:11: the argument id lands nowhere: shop.v1.GetProductRequest has no field "id"',
    '    Map it with request: { ... } of @grpc, or rename it with @proto.',
    'schema/shop.graphql:4:84: $parent.id: the message that product belongs to has no field "id"',
    '    A root field belongs to no message: use $args.NAME or $session.userId.',
  ]);
  mistake(
    'a field that the parent does not have',
    {
      [sdl]: [
        [
          'createdAt: DateTime',
          'createdAt: DateTime\n  self: Product @grpc(rpc: "GetProduct", request: { productId: "$parent.id" })',
        ],
      ],
    },
    [
      'schema/shop.graphql:31:64: $parent.id: the message that self belongs to has no field "id"',
      '    Name a field of the message as the proto has it, in camelCase or snake_case.',
    ],
  );
  mistake(
    'a field of the parent that is of another type',
    {
      [sdl]: [
        [
          'createdAt: DateTime',
          'createdAt: DateTime\n  self: Product @grpc(rpc: "GetProduct", request: { productId: "$parent.stock" })',
        ],
      ],
    },
    [
      'schema/shop.graphql:31:64: $parent.stock is int32, but productId is string',
      '    Both must be of the same type.',
    ],
  );
  mistake('a reference to nothing', { [sdl]: [['"$session.userId"', '"$session.email"']] }, [
    'schema/shop.graphql:15:49: $session.email is not something a request can be made of',
    '    Use $args.NAME, $session.userId, $session.sessionId, $parent.FIELD or $mask.NAME.',
  ]);
  mistake(
    'a constant that the enum does not have',
    {
      [sdl]: [
        ['@grpc(rpc: "ListProducts")', '@grpc(rpc: "ListProducts", request: { kind: "BOOKS" })'],
        ['kind: Kind, filter', 'filter'],
      ],
    },
    [
      'schema/rest/shop.graphql:10:49: Unknown argument "kind" on field "Query.products"',
      '    It takes first, after, filter.',
      'schema/shop.graphql:5:136: shop.v1.Kind has no value BOOKS',
      '    Its values are KIND_UNSPECIFIED, KIND_BOOK, KIND_TOY.',
    ],
  );
  mistake(
    'a constant of another type',
    { [sdl]: [['{ productId: "$args.id" })', '{ productId: "$args.id", depth: "two" })']] },
    [
      'schema/shop.graphql:4:103: "two" is not int32, as depth of shop.v1.GetProductRequest is',
      '    A text that begins with $ is a reference, such as "$args.NAME"; all else is a constant.',
    ],
  );
  mistake(
    'a constant in place of a message',
    {
      [sdl]: [
        ['@grpc(rpc: "ListProducts")', '@grpc(rpc: "ListProducts", request: { filter: "cheap" })'],
        ['filter: FilterInput', 'kinds: Kind @proto(field: "kind")'],
        ['kind: Kind, ', ''],
      ],
    },
    [
      'schema/rest/shop.graphql:10:49: Unknown argument "kind" on field "Query.products"',
      '    Did you mean "kinds"?',
      'schema/shop.graphql:5:152: filter: a message needs an object',
      '    Write { FIELD: VALUE }.',
      'schema/shop.graphql:77:1: nothing leads to the type FilterInput',
      '    Use it as the type of a field or an argument, or remove it.',
    ],
  );
  mistake('a request that is no message', { [sdl]: [['request: { productId: "$args.id" })', 'request: 5)']] }, [
    'schema/shop.graphql:4:11: the argument id lands nowhere: shop.v1.GetProductRequest has no field "id"',
    '    Map it with request: { ... } of @grpc, or rename it with @proto.',
    'schema/shop.graphql:4:71: request: takes an object, a list of objects, or "$args.NAME"',
    '    Write request: { FIELD: "$args.NAME" }.',
  ]);
  mistake('a message made of a scalar', { [sdl]: [['["$args.input", { productId: "$args.id" }]', '["$args.id"]']] }, [
    'schema/shop.graphql:12:54: shop.v1.Product is made of objects and of arguments of an input type',
    '    Write { FIELD: "$args.NAME" }, or "$args.NAME" of an argument of an input type.',
    'schema/shop.graphql:83:3: ProductInput.name: shop.v1.UpdateProductRequest has no field "name"',
    '    Rename it with @proto(field: "...").',
    'schema/shop.graphql:84:3: ProductInput.kind: shop.v1.UpdateProductRequest has no field "kind"',
    '    Rename it with @proto(field: "...").',
  ]);
  mistake(
    'a mask of nobody knows what',
    {
      [sdl]: [
        ['updateProduct(id: ID!, input: ProductInput!): Product!', 'updateProduct: Product!'],
        [', request: { product: ["$args.input", { productId: "$args.id" }] }', ''],
        ['input ProductInput {\n  name: String\n  kind: Kind\n}\n', ''],
      ],
    },
    [
      'schema/shop.graphql:12:5: shop.v1.UpdateProductRequest.update_mask cannot be filled: it is not clear from which argument',
      '    Say updateMask: "$mask.NAME" in request:.',
    ],
  );
});

describe('pages', () => {
  mistake('an RPC that is not paged', { [proto]: [['  int32 page_size = 1;\n', '']] }, [
    'schema/shop.graphql:5:3: products is a connection, but its RPC is not paged: shop.v1.ListProductsRequest.page_size is missing',
    '    Use an RPC that is paged, or a type whose name does not end in Connection.',
  ]);
  mistake('a connection without after', { [sdl]: [['first: Int = 25, after: String, ', 'first: Int = 25, ']] }, [
    'schema/rest/shop.graphql:10:30: Unknown argument "after" on field "Query.products"',
    '    Did you mean "filter"?',
    'schema/shop.graphql:5:3: the connection products needs the argument after',
    '    Add first: Int = 25, after: String.',
  ]);
  mistake('an argument of another type', { [sdl]: [['first: Int = 25', 'first: String = "25"']] }, [
    'schema/rest/shop.graphql:9:20: Variable "$pageSize" of type "Int" used in position expecting type "String"',
    '    Make it $pageSize: String.',
    'schema/shop.graphql:5:12: the argument first of the connection products is String',
    '    It must be Int or Int!.',
  ]);
  mistake('an edge without a cursor', { [sdl]: [['  node: Product!\n  cursor: String!', '  node: Product!']] }, [
    'schema/shop.graphql:39:3: [ProductEdge!]! is not an edge',
    '    An edge has node and cursor: String!.',
  ]);
  mistake(
    'a total that the response does not have',
    { [sdl]: [['  nextPageToken: String\n', '  nextPageToken: String\n  totalCount: Int\n']] },
    [
      'schema/shop.graphql:43:3: ProductConnection.totalCount: shop.v1.ListProductsResponse has none of totalSize, totalCount, total',
      '    Remove the field. Its fields are products, nextPageToken.',
    ],
  );
  mistake('a token that is non-null', { [sdl]: [['nextPageToken: String\n', 'nextPageToken: String!\n']] }, [
    'schema/shop.graphql:42:3: ProductConnection.nextPageToken is String!',
    '    It must be String or ID.',
  ]);
  mistake(
    '@connection on what is no connection',
    { [sdl]: [['product(id: ID!): Product @public', 'product(id: ID!): Product @connection @public']] },
    [
      'schema/shop.graphql:4:29: Query.product has @connection, and Product is no connection',
      '    A connection is a type whose name ends in Connection and that has edges or nodes.',
    ],
  );
  mistake(
    '@connection where no RPC answers',
    {
      [sdl]: [
        [
          'createdAt: DateTime',
          'createdAt: DateTime\n  others: ProductConnection @connection @resolver(name: "gateway")',
        ],
      ],
    },
    [
      'schema/shop.graphql:31:29: @connection says nothing on Product.others: no RPC answers it',
      '    Add @grpc(rpc: "...").',
    ],
  );
  mistake(
    'a part of the response of a connection',
    { [sdl]: [['@grpc(rpc: "ListProducts")', '@grpc(rpc: "ListProducts", response: "products")']] },
    [
      'schema/shop.graphql:5:104: response: says nothing on Query.products: the items of a page are named by @connection',
      '    Remove it.',
    ],
  );
  mistake(
    'a page of none',
    { [sdl]: [['@grpc(rpc: "ListProducts")', '@connection(max: 0) @grpc(rpc: "ListProducts")']] },
    ['schema/shop.graphql:5:104: max of @connection is 0', '    It must be at least 1.'],
  );
  mistake(
    'items that the response does not have',
    { [sdl]: [['@grpc(rpc: "ListProducts")', '@connection(items: "items") @grpc(rpc: "ListProducts")']] },
    [
      'schema/shop.graphql:5:3: products is a connection, but its RPC is not paged: the one repeated message field of shop.v1.ListProductsResponse (say items: of @connection) is missing',
      '    Use an RPC that is paged, or a type whose name does not end in Connection.',
    ],
  );
  mistake('nodes that are no list', { [sdl]: [['nodes: [Product!]!', 'nodes: Product!']] }, [
    'schema/shop.graphql:40:3: ProductConnection.nodes is Product!, and holds the items of a page',
    '    Make it [Product!]!.',
  ]);
});

describe('joins', () => {
  mistake(
    'a type that is not found by key',
    {
      [sdl]: [
        [
          'product: Product @join(key: "productId")',
          'product: Product @join(key: "productId")\n  order: Order @join(key: "productId")',
        ],
      ],
    },
    [
      'schema/shop.graphql:60:16: Order does not say how it is found by key',
      '    Add @lookup(rpc: "...", keys: "...", items: "...", match: "...") to the type.',
    ],
  );
  mistake(
    'a join to a scalar',
    {
      [sdl]: [
        [
          'product: Product @join(key: "productId")',
          'product: Product @join(key: "productId")\n  price: Int @join(key: "productId")',
        ],
      ],
    },
    [
      'schema/shop.graphql:60:14: @join finds objects, and Item.price is Int',
      '    Make it an object type that has @lookup, or a list of one.',
    ],
  );
  mistake('a key that the message does not have', { [sdl]: [['@join(key: "productId")', '@join(key: "product")']] }, [
    'schema/shop.graphql:59:20: key: shop.v1.Item has no field "product"',
    '    Did you mean "productId"?',
  ]);
  mistake('a key of another type', { [sdl]: [['@join(key: "productId")', '@join(key: "count")']] }, [
    'schema/shop.graphql:59:20: key: shop.v1.Item.count is int32, but product_ids takes string',
    '    The key must be of the type that the RPC takes.',
  ]);
  mistake('a key of too many parts', { [sdl]: [['@join(key: "productId")', '@join(key: "productId count")']] }, [
    'schema/shop.graphql:59:20: key: has 2 part(s), and objects are found by 1: productIds',
    '    Name a field for each, separated by spaces.',
  ]);
  mistake(
    'one key for a list',
    { [sdl]: [['product: Product @join(key: "productId")', 'product: [Product!]! @join(key: "productId")']] },
    [
      'schema/shop.graphql:59:24: key: shop.v1.Item.product_id holds one key, and the field is a list',
      '    Name a repeated field, or make the field an object.',
    ],
  );
  mistake(
    'many keys for one object',
    { [sdl]: [['products: [Product!]! @join(key: "productIds")', 'products: Product @join(key: "productIds")']] },
    [
      'schema/shop.graphql:54:21: key: shop.v1.Order.product_ids holds many keys, and the field is one object',
      '    Make the field a list.',
    ],
  );
  mistake(
    'arguments beside the look-up of the type',
    { [sdl]: [['@join(key: "productId")', '@join(key: "productId", keys: "productIds")']] },
    [
      'schema/shop.graphql:59:20: keys: says nothing here: Product is found as its @lookup says',
      '    Remove it, or name the RPC with rpc:.',
    ],
  );
  mistake(
    'a join on a root field',
    {
      [sdl]: [
        [
          'order(id: ID!): Order @authenticated @grpc(rpc: "GetOrder", request: { orderId: "$args.id" }, response: "order")',
          'product2: Product @public @join(key: "id")',
        ],
      ],
    },
    [
      'schema/shop.graphql:6:29: key: the type that this field is in is not read from any message',
      '    A type is read from the message that an RPC answers with; keys of root fields are arguments of @grpc.',
    ],
  );
  mistake(
    'many objects that are no list',
    {
      [sdl]: [
        [
          '@join(key: "productId")',
          '@join(key: "productId", rpc: "BatchGetProducts", keys: "productIds", items: "products", match: "productId")',
        ],
      ],
    },
    [
      'schema/shop.graphql:59:20: Item.product finds many objects for a key, and is not a list',
      '    Make it [Product!]!.',
    ],
  );
  mistake('a look-up without keys', { [sdl]: [[' keys: "productIds",', '']] }, [
    'schema/shop.graphql:22:14: keys: must name the field of shop.v1.BatchGetProductsRequest that takes the keys',
    '    Its fields are productIds, shelf.',
  ]);
  mistake('keys that the request does not have', { [sdl]: [['keys: "productIds"', 'keys: "ids"']] }, [
    'schema/shop.graphql:22:14: keys: shop.v1.BatchGetProductsRequest has no field "ids"',
    '    Its fields are productIds, shelf.',
  ]);
  mistake('keys that hold one', { [sdl]: [['keys: "productIds"', 'keys: "shelf"']] }, [
    'schema/shop.graphql:22:14: keys: shop.v1.BatchGetProductsRequest.shelf takes one key, not many',
    '    Use key: in place of keys:, items: and match:.',
  ]);
  mistake('keys that are parts of no message', { [sdl]: [['keys: "productIds"', 'keys: "productIds.id"']] }, [
    'schema/shop.graphql:22:14: keys: shop.v1.BatchGetProductsRequest.product_ids is not a list of messages',
    '    Write keys: "productIds".',
  ]);
  mistake('a look-up without items', { [sdl]: [[' items: "products",', '']] }, [
    'schema/shop.graphql:22:14: items: must name the field of shop.v1.BatchGetProductsResponse that holds the objects',
    '    Its fields are products, count.',
  ]);
  mistake('items that the response does not have', { [sdl]: [['items: "products"', 'items: "items"']] }, [
    'schema/shop.graphql:22:14: items: shop.v1.BatchGetProductsResponse has no field "items"',
    '    Its fields are products, count.',
  ]);
  mistake('items that are no list', { [sdl]: [['items: "products"', 'items: "count"']] }, [
    'schema/shop.graphql:22:14: items: shop.v1.BatchGetProductsResponse.count is not a list of messages',
    '    Its fields are products, count.',
  ]);
  mistake('a look-up without match', { [sdl]: [[', match: "productId")', ')']] }, [
    'schema/shop.graphql:22:14: match: must name as many fields of shop.v1.Product as there are keys',
    '    Results are matched by key, not by position.',
  ]);
  mistake('match that the object does not have', { [sdl]: [['match: "productId"', 'match: "id"']] }, [
    'schema/shop.graphql:22:14: match: shop.v1.Product has no field "id"',
    '    Did you mean "kind"?',
  ]);
  mistake('match of another type', { [sdl]: [['match: "productId"', 'match: "createdAt"']] }, [
    'schema/shop.graphql:22:14: match: shop.v1.Product.created_at is google.protobuf.Timestamp, but product_ids takes string',
    '    The field that results are matched by must hold the key.',
  ]);
  mistake(
    'a look-up of one by many',
    {
      [sdl]: [
        [
          'rpc: "BatchGetProducts", keys: "productIds", items: "products", match: "productId"',
          'rpc: "GetProduct", key: "productId", items: "products"',
        ],
      ],
    },
    [
      'schema/shop.graphql:22:14: items: says nothing beside key: the RPC finds one object at a time',
      '    Remove it, or use keys:, items: and match: for an RPC that takes many keys.',
    ],
  );
  mistake(
    'a look-up by a key that the request does not have',
    {
      [sdl]: [
        [
          'rpc: "BatchGetProducts", keys: "productIds", items: "products", match: "productId"',
          'rpc: "GetProduct", key: "id"',
        ],
      ],
    },
    [
      'schema/shop.graphql:22:14: key: shop.v1.GetProductRequest has no field "id"',
      '    Its fields are productId, depth.',
    ],
  );
  mistake(
    'a look-up through a stream',
    { [sdl]: [['type OrderEvent {', 'type OrderEvent @lookup(rpc: "WatchOrder", key: "orderId") {']] },
    [
      'schema/shop.graphql:72:17: WatchOrder streams, and objects are found by an RPC that answers once',
      '    Name an RPC that takes one message and answers with one.',
    ],
  );
  mistake('a look-up of none at a time', { [sdl]: [['match: "productId")', 'match: "productId", max: 0)']] }, [
    'schema/shop.graphql:22:14: max of @lookup is 0',
    '    It must be at least 1.',
  ]);
  mistake(
    'two look-ups of one type',
    {
      [sdl]: [['type Card {', 'extend type Product @lookup(rpc: "GetProduct", key: "productId")\n\ntype Card {']],
    },
    [
      'schema/shop.graphql:22:14: The directive "@lookup" can only be used once at this location',
      '    Keep one of them.',
    ],
  );
});
