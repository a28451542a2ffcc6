import { auth, mistake, proto, removeFolders, rest, sdl } from './fixture';

afterAll(removeFolders);

describe('what is no schema at all', () => {
  mistake('a syntax error in the SDL', { [sdl]: [['type Mutation {', 'type Mutation (']] }, [
    'schema/shop.graphql:9:15: Syntax Error: Unexpected "("',
    '    Look here, and for what is not closed above.',
  ]);
  mistake('a syntax error in a proto', { [proto]: [['string name = 2;', 'string name 2;']] }, [
    "proto/shop/v1/shop.proto:25: illegal token '2', '=' expected",
    '    Look here, and for what is not closed above.',
  ]);
  mistake('a syntax error in an operation', { [rest]: [['product(id: $id) {', 'product(id: $id {']] }, [
    'schema/rest/shop.graphql:2:19: Syntax Error: Expected Name, found "{"',
    '    Look here, and for what is not closed above.',
  ]);
  mistake('a type that no proto defines', { [proto]: [['  Size size = 10;', '  Sice size = 10;']] }, [
    'proto/shop/v1/shop.proto:33: shop.v1.Product.size refers to "Sice", which no file defines that is read',
    '    Import the file that defines it.',
  ]);
  mistake(
    'an import that is not there',
    {
      [proto]: [
        [
          'import "google/protobuf/field_mask.proto";',
          'import "google/protobuf/field_mask.proto";\nimport "shop/v1/prices.proto";',
        ],
      ],
    },
    [
      'proto/shop/v1/shop.proto:6: imports "shop/v1/prices.proto", which is not in proto, nor in the files that come with protobuf',
      '    Set PROTO_INCLUDE to the folder that has "shop/v1/prices.proto".',
    ],
  );
  mistake(
    'a directive that there is not',
    { [sdl]: [['product(id: ID!): Product @public', 'product(id: ID!): Product @pubic']] },
    ['schema/shop.graphql:4:29: Unknown directive "@pubic"', '    Did you mean "@public"?'],
  );
  mistake('a directive that is like no other', { [sdl]: [['blurb: String', 'blurb: String @translated']] }, [
    'schema/shop.graphql:25:17: Unknown directive "@translated"',
    '    There are @upstream, @grpc, @connection, @lookup, @join, @proto, @resolver, @public, @authenticated, @requiresScopes, @policy, @cost, @listSize, @rateLimit, @include, @skip, @deprecated, @specifiedBy, @oneOf.',
  ]);
  mistake(
    'an argument that the directive does not take',
    { [sdl]: [['@grpc(rpc: "GetProduct", request', '@grpc(rpc: "GetProduct", requests']] },
    [
      'schema/shop.graphql:4:11: the argument id lands nowhere: shop.v1.GetProductRequest has no field "id"',
      '    Map it with request: { ... } of @grpc, or rename it with @proto.',
      'schema/shop.graphql:4:62: Unknown argument "requests" on directive "@grpc"',
      '    Did you mean "request"?',
    ],
  );
  mistake('an argument that is missing', { [sdl]: [['@lookup(rpc: "BatchGetProducts", ', '@lookup(']] }, [
    'schema/shop.graphql:22:14: Directive "@lookup" argument "rpc" of type "String!" is required, but it was not provided',
    '    Give rpc: String!.',
  ]);
  mistake('an argument of another type', { [sdl]: [['match: "productId")', 'match: "productId", max: "50")']] }, [
    'schema/shop.graphql:22:111: max of @lookup is "50"',
    '    It must be Int.',
  ]);
  mistake('a directive in the wrong place', { [sdl]: [['type Card {', 'type Card @join(key: "id") {']] }, [
    'schema/shop.graphql:64:11: Directive "@join" may not be used on OBJECT',
    '    It belongs on FIELD_DEFINITION.',
  ]);
  mistake(
    'a directive twice',
    { [sdl]: [['createdAt: DateTime', 'createdAt: DateTime @authenticated @authenticated']] },
    [
      'schema/shop.graphql:30:23: The directive "@authenticated" can only be used once at this location',
      '    Keep one of them.',
    ],
  );
  mistake('a type that there is not', { [sdl]: [['kind: Kind\n  tags', 'kind: Kinds\n  tags']] }, [
    'schema/shop.graphql:28:9: Unknown type "Kinds"',
    '    Did you mean "Kind", "ID", or "Int"?',
  ]);
  mistake('a type that is like no other', { [sdl]: [['createdAt: DateTime', 'createdAt: Wednesday']] }, [
    'schema/shop.graphql:30:14: Unknown type "Wednesday"',
    '    Define Wednesday, or use a type that there is.',
  ]);
  mistake('a type twice', { [sdl]: [['type Card {', 'type Item {\n  count: Int\n}\n\ntype Card {']] }, [
    'schema/shop.graphql:57:6: There can be only one type named "Item"',
    '    Remove or rename one of them.',
    'schema/shop.graphql:58:3: Field "Item.count" can only be defined once',
    '    Remove or rename one of them.',
  ]);
  mistake('a field twice', { [sdl]: [['blurb: String', 'blurb: String\n  blurb: String']] }, [
    'schema/shop.graphql:25:3: Field "Product.blurb" can only be defined once',
    '    Remove or rename one of them.',
  ]);
  mistake(
    'a type of the gateway',
    { [sdl]: [['type Card {', 'type PageInfo {\n  hasNextPage: Boolean!\n}\n\ntype Card {']] },
    [
      'schema/shop.graphql:64:6: There can be only one type named "PageInfo"',
      '    The gateway has it already: remove this one.',
      'schema/shop.graphql:65:3: Field "PageInfo.hasNextPage" can only be defined once',
      '    Remove or rename one of them.',
    ],
  );
  mistake(
    'an extension of nothing',
    { [sdl]: [['type Card {', 'extend type Basket {\n  count: Int\n}\n\ntype Card {']] },
    [
      'schema/shop.graphql:64:13: Cannot extend type "Basket" because it is not defined',
      '    Define Basket first: without extend.',
    ],
  );
  mistake(
    'no query at all',
    {
      'schema/shop.graphql':
        'extend schema @upstream(name: "shop", service: "shop.v1.ShopService")\n\ntype Mutation {\n  nothing: Boolean @public @resolver(name: "logout")\n}\n',
      'schema/rest/shop.graphql': null,
    },
    ['schema: Query root type must be provided', '    Write type Query { ... } in one of the files.'],
  );
  mistake('no SDL', { 'schema/shop.graphql': null, 'schema/auth.graphql': null, 'schema/rest/shop.graphql': null }, [
    'schema: there is no .graphql file',
    '    Write one for each upstream, or set SCHEMA_DIR.',
  ]);
  mistake('a type that nothing leads to', { [sdl]: [['  payment: Payment\n', '']] }, [
    'schema/shop.graphql:61:1: nothing leads to the type Payment',
    '    Use it as the type of a field or an argument, or remove it.',
    'schema/shop.graphql:63:1: nothing leads to the type Card',
    '    Use it as the type of a field or an argument, or remove it.',
    'schema/shop.graphql:67:1: nothing leads to the type Invoice',
    '    Use it as the type of a field or an argument, or remove it.',
  ]);
  mistake(
    'an input that nothing leads to',
    { [sdl]: [['input FilterInput {', 'input PriceInput {\n  least: Int\n}\n\ninput FilterInput {']] },
    [
      'schema/shop.graphql:77:1: nothing leads to the type PriceInput',
      '    Use it as the type of a field or an argument, or remove it.',
    ],
  );
});

describe('who may ask', () => {
  mistake(
    'a root field that does not say who may ask',
    { [sdl]: [['order(id: ID!): Order @authenticated', 'order(id: ID!): Order']] },
    [
      'schema/shop.graphql:6:3: Query.order does not say who may ask for it',
      '    Add @public, @authenticated or @requiresScopes(scopes: [["..."]]).',
    ],
  );
  mistake(
    'public and protected at once',
    { [sdl]: [['order(id: ID!): Order @authenticated', 'order(id: ID!): Order @authenticated @public']] },
    ['schema/shop.graphql:6:3: Query.order is @public and protected at once', '    Keep one of the two.'],
  );
  mistake('a list of permissions that is empty', { [sdl]: [['[["shop:edit"]]', '[[]]']] }, [
    'schema/shop.graphql:11:5: @requiresScopes needs at least one permission in every list',
    '    Use @authenticated for "signed in".',
  ]);
  mistake(
    'orSelf that names no field',
    { [sdl]: [['views: BigInt!', 'views: BigInt @requiresScopes(scopes: [["a"]], orSelf: "ids")']] },
    ['schema/shop.graphql:27:3: @requiresScopes(orSelf: "ids") names no field of Product', '    Did you mean "id"?'],
  );
  mistake(
    'orSelf on a root field',
    {
      [sdl]: [
        ['@requiresScopes(scopes: [["shop:edit"]])', '@requiresScopes(scopes: [["shop:edit"]], orSelf: "placeOrder")'],
      ],
    },
    [
      'schema/shop.graphql:11:5: orSelf names a field of the object that a field is in, and Mutation.updateProduct is in none',
      '    Remove orSelf, or put the rule on a field of the type.',
    ],
  );
});

describe('upstreams', () => {
  mistake('a service that no proto defines', { [sdl]: [['"shop.v1.ShopService"', '"shop.v1.ShopServices"']] }, [
    'schema/shop.graphql:1:15: no proto defines the service "shop.v1.ShopServices"',
    '    Did you mean "shop.v1.ShopService" or "shop.v1.StockService"?',
  ]);
  mistake('a name that no variable can have', { [sdl]: [['name: "shop"', 'name: "Shop!"']] }, [
    'schema/shop.graphql:1:15: "Shop!" cannot name an upstream',
    '    Use lower-case letters, digits, - and _.',
  ]);
  mistake(
    'no upstream in a file that uses one',
    { [sdl]: [['extend schema @upstream(name: "shop", service: "shop.v1.ShopService", deadline: "2s")', '']] },
    [
      'schema/shop.graphql:4:37: this file does not say which service has the RPC "GetProduct"',
      '    Add: extend schema @upstream(name: "...", service: "...").',
    ],
  );
  mistake(
    'an upstream twice',
    { [sdl]: [['deadline: "2s")', 'deadline: "2s") @upstream(name: "store", service: "shop.v1.ShopService")']] },
    ['schema/shop.graphql:1:87: this file has @upstream for shop.v1.ShopService twice', '    Remove one of them.'],
  );
  mistake('a deadline that is no length of time', { [sdl]: [['deadline: "2s"', 'deadline: "2 seconds"']] }, [
    'schema/shop.graphql:1:15: deadline: "2 seconds" is not a length of time',
    '    Write "500ms", "2s" or "1m".',
  ]);
  mistake(
    'an RPC that several services have',
    { [sdl]: [['deadline: "2s")', 'deadline: "2s") @upstream(name: "stock", service: "shop.v1.StockService")']] },
    [
      'schema/shop.graphql:4:37: several services of this file have an RPC "GetProduct"',
      '    Write "shop.v1.ShopService/GetProduct" or "shop.v1.StockService/GetProduct".',
    ],
  );
  mistake(
    'two names that one variable stands for',
    {
      [sdl]: [['name: "shop"', 'name: "store-1"']],
      'schema/auth.graphql':
        'extend schema\n  @upstream(name: "auth", service: "auth.v1.AuthService")\n  @upstream(name: "store_1", service: "shop.v1.StockService")\n',
    },
    [
      'schema/shop.graphql:1:15: the upstreams "store_1" and "store-1" read their address from one variable',
      '    Give one of them another name.',
    ],
    'the configuration tells it first',
  );
});

describe('what @policy needs', () => {
  const policy = [
    'product(id: ID!): Product @public',
    'product(id: ID!): Product @policy(policies: [["shop:read"]])',
  ] as const;
  const rpc = '  rpc CheckPermission(CheckPermissionRequest) returns (CheckPermissionResponse);\n';
  const messages = `
message CheckPermissionRequest {
  string user_id = 1;
  string permission = 2;
}

message CheckPermissionResponse {
  bool may = 1;
}
`;
  const end = '  rpc WatchRevocations(WatchRevocationsRequest) returns (stream Revocation);\n';
  mistake('no RPC to ask', { [sdl]: [policy] }, [
    'schema/auth.graphql:1:15: auth.v1.AuthService has no RPC CheckPermission, which @policy needs',
    '    Its RPCs are HandleSsoCallback, ValidateSession, RevokeSession, WatchRevocations.',
  ]);
  mistake(
    'an RPC that answers otherwise',
    {
      [sdl]: [policy],
      [auth]: [
        [end, end + rpc],
        ['message RevokeSessionResponse {}\n', `message RevokeSessionResponse {}\n${messages}`],
      ],
    },
    [
      'schema/auth.graphql:1:15: auth.v1.CheckPermissionResponse has no field allowed, which @policy needs',
      '    Its fields are may.',
    ],
  );
  mistake('an empty list', { [sdl]: [[policy[0], 'product(id: ID!): Product @policy(policies: [[]])']] }, [
    'schema/auth.graphql:1:15: auth.v1.AuthService has no RPC CheckPermission, which @policy needs',
    '    Its RPCs are HandleSsoCallback, ValidateSession, RevokeSession, WatchRevocations.',
    'schema/shop.graphql:4:29: @policy needs at least one permission in every list',
    '    Use @authenticated for "signed in".',
  ]);
});

describe('what sign-in and sessions need', () => {
  mistake('no upstream for it', { 'schema/auth.graphql': null }, [
    'schema: no file names the upstream "auth", which sign-in and sessions need',
    '    Add to one: extend schema @upstream(name: "auth", service: "auth.v1.AuthService").',
  ]);
  mistake(
    'no service for it',
    {
      'proto/auth/v1/auth.proto': null,
      'schema/auth.graphql': 'extend schema @upstream(name: "auth", service: "shop.v1.StockService")\n',
    },
    [
      'schema/auth.graphql:1:15: no proto defines auth.v1.AuthService, which sign-in and sessions need',
      '    Add its proto to the folder of protos.',
    ],
  );
  mistake('a service that lacks an RPC', { [auth]: [['rpc RevokeSession(', 'rpc RevokeSessions(']] }, [
    'schema/auth.graphql:1:15: auth.v1.AuthService has no RPC RevokeSession, which sign-in and sessions need',
    '    Did you mean "RevokeSessions"?',
  ]);
  mistake('an answer that lacks a field', { [auth]: [['string user_id = 2;', 'string user = 2;']] }, [
    'schema/auth.graphql:1:15: auth.v1.ValidateSessionResponse has no field user_id, which sign-in and sessions need',
    '    Its fields are session_id, user, permissions, expires_at.',
  ]);
});
