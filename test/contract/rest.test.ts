import { mistake, removeFolders, rest } from './fixture';

afterAll(removeFolders);

describe('routes', () => {
  mistake('a field that the schema does not have', { [rest]: [['    name\n    kind', '    title\n    kind']] }, [
    'schema/rest/shop.graphql:4:5: Cannot query field "title" on type "Product"',
    '    Its fields are id, name, blurb, stock, views, kind, tags, createdAt.',
  ]);
  mistake('an argument that the schema does not have', { [rest]: [['product(id: $id)', 'product(key: $id)']] }, [
    'schema/rest/shop.graphql:2:3: Field "product" argument "id" of type "ID!" is required, but it was not provided',
    '    Give id: ID!.',
    'schema/rest/shop.graphql:2:11: Unknown argument "key" on field "Query.product"',
    '    It takes id.',
  ]);
  mistake('a variable of another type', { [rest]: [['$id: ID!', '$id: Int!']] }, [
    'schema/rest/shop.graphql:1:18: Variable "$id" of type "Int!" used in position expecting type "ID!"',
    '    Make it $id: ID!.',
  ]);
  mistake('a variable that is not used', { [rest]: [['$id: ID!', '$id: ID!, $depth: Int']] }, [
    'schema/rest/shop.graphql:1:28: Variable "$depth" is never used in operation "GetProduct"',
    '    Use $depth, or remove it.',
  ]);
  mistake('a variable that there is not', { [rest]: [['kind: $kind)', 'kind: $kinds)']] }, [
    'schema/rest/shop.graphql:9:56: Variable "$kind" is never used in operation "ListProducts"',
    '    Use $kind, or remove it.',
    'schema/rest/shop.graphql:10:55: Variable "$kinds" is not defined by operation "ListProducts"',
    "    Add $kinds to the operation's variables.",
  ]);
  mistake('an operation without a route', { [rest]: [[' @rest(method: GET, path: "/shop/products/{id}")', '']] }, [
    'schema/rest/shop.graphql:1:1: an operation here needs a name and @rest(method:, path:)',
    '    Write query NAME @rest(method: GET, path: "/api/...") { ... }.',
  ]);
  mistake('an argument of @rest that there is not', { [rest]: [['status: 201', 'code: 201']] }, [
    'schema/rest/shop.graphql:19:117: Unknown argument "code" on directive "@rest"',
    '    Did you mean "body"?',
  ]);
  mistake(
    'a route without a path',
    { [rest]: [['@rest(method: GET, path: "/shop/products")', '@rest(method: GET)']] },
    [
      'schema/rest/shop.graphql:9:91: Directive "@rest" argument "path" of type "String!" is required, but it was not provided',
      '    Give path: String!.',
    ],
  );
  mistake('a verb that there is not', { [rest]: [['method: POST', 'method: SEND']] }, [
    'schema/rest/shop.graphql:19:58: Value "SEND" does not exist in "RestMethod" enum',
    '    Its values are GET, POST, PUT, PATCH, DELETE.',
  ]);
  mistake('a directive that there is not', { [rest]: [['kind @enumCase(as: PASCAL)', 'kind @enumcase(as: PASCAL)']] }, [
    'schema/rest/shop.graphql:5:10: Unknown directive "@enumcase"',
    '    Did you mean "@enumCase"?',
  ]);
  mistake(
    'a subscription by a method that is not for streams',
    {
      [rest]: [
        [
          'mutation PlaceOrder',
          'subscription Watch($id: ID!) @rest(method: PUT, path: "/shop/orders/{id}") {\n  orderEvents(id: $id) {\n    note\n  }\n}\n\nmutation PlaceOrder',
        ],
      ],
    },
    ['schema/rest/shop.graphql:19:30: a subscription cannot be mounted on PUT', '    GET and POST are for streams.'],
  );
  mistake(
    'a subscription with a status',
    {
      [rest]: [
        [
          'mutation PlaceOrder',
          'subscription Watch($id: ID!) @rest(method: POST, path: "/shop/orders/{id}", status: 204) {\n  orderEvents(id: $id) {\n    note\n  }\n}\n\nmutation PlaceOrder',
        ],
      ],
    },
    ['schema/rest/shop.graphql:19:30: status: 204 is on a subscription, whose stream is 200', '    Remove status.'],
  );
  mistake(
    'a query by POST',
    {
      [rest]: [['@rest(method: GET, path: "/shop/products/{id}")', '@rest(method: POST, path: "/shop/products/{id}")']],
    },
    [
      'schema/rest/shop.graphql:1:28: a query cannot be mounted on POST',
      '    GET is for queries, the other methods for mutations.',
    ],
  );
  mistake('a path that is none', { [rest]: [['"/shop/products"', '"shop/products"']] }, [
    'schema/rest/shop.graphql:9:91: "shop/products" is not a path such as /api/v1/users/{userId}',
    '    A path begins with /, and a variable is a whole segment of it.',
  ]);
  mistake(
    'two answers',
    { [rest]: [['  product(id: $id) {', '  other: product(id: $id) {\n    id\n  }\n  product(id: $id) {']] },
    [
      'schema/rest/shop.graphql:1:1: GetProduct must have exactly one root field: its value is the answer',
      '    Select one root field, and outside of fragments.',
    ],
  );
  mistake('a variable of the path that there is not', { [rest]: [['/shop/products/{id}', '/shop/products/{ids}']] }, [
    'schema/rest/shop.graphql:1:28: the path has {ids}, and GetProduct has no variable $ids',
    '    Did you mean "id"?',
  ]);
  mistake(
    'a path that lacks a variable of another',
    { [rest]: [['path: "/shop/products/{id}"', 'path: "/shop/products/{id}", alias: ["/shop/product"]']] },
    [
      'schema/rest/shop.graphql:1:28: the path "/shop/product" lacks {id}, which another path of the route has',
      '    Give all paths of a route the same variables, or make it two operations.',
    ],
  );
  mistake(
    'a list in the path',
    {
      'schema/rest/shop.graphql':
        'mutation PlaceOrder($items: [ItemInput!]!) @rest(method: POST, path: "/shop/orders/{items}") {\n  placeOrder(items: $items) {\n    id\n  }\n}\n',
    },
    [
      'schema/rest/shop.graphql:1:21: $items is [ItemInput!]!, and the path holds one value',
      '    Make it a single value.',
    ],
  );
  mistake(
    'an object in the query',
    {
      [rest]: [
        ['$kind: Kind @enumCase(as: PASCAL))', '$kind: Kind @enumCase(as: PASCAL), $filter: FilterInput)'],
        ['kind: $kind)', 'kind: $kind, filter: $filter)'],
      ],
    },
    [
      'schema/rest/shop.graphql:9:91: $filter is FilterInput, which the query cannot hold',
      '    Send it in the body: body: "filter", or "*".',
    ],
  );
  mistake('a body that is no variable', { [rest]: [['body: "*"', 'body: "item"']] }, [
    'schema/rest/shop.graphql:19:44: body: "item" names no variable of PlaceOrder',
    '    Did you mean "items"?',
  ]);
  mistake('a body that is a list', { [rest]: [['body: "*"', 'body: "items"']] }, [
    'schema/rest/shop.graphql:19:44: body: $items is [ItemInput!]!, and a body is a JSON object',
    '    Make it an input type, or write body: "*" where each field of the body is a variable.',
  ]);
  mistake('a body of a GET', { [rest]: [['path: "/shop/products")', 'path: "/shop/products", body: "*")']] }, [
    'schema/rest/shop.graphql:9:91: a GET request has no body',
    '    Remove body:.',
  ]);
  mistake('a status that is none of success', { [rest]: [['status: 201', 'status: 301']] }, [
    'schema/rest/shop.graphql:19:44: status: 301 is not one of success',
    '    Use 200, 201, 202, or 204 for an answer without a body.',
  ]);
  mistake(
    'PascalCase of what is no enum',
    { [rest]: [['    kind @enumCase(as: PASCAL)', '    label: name @enumCase(as: PASCAL)']] },
    ['schema/rest/shop.graphql:5:5: name has @enumCase, and String! is no enum', '    Remove @enumCase.'],
  );
  mistake(
    'PascalCase of a variable that is no enum',
    { [rest]: [['$pageSize: Int,', '$pageSize: Int @enumCase(as: PASCAL),']] },
    ['schema/rest/shop.graphql:9:20: $pageSize has @enumCase, and Int is no enum', '    Remove @enumCase.'],
  );
  const pascal = '    kind @enumCase(as: PASCAL)';
  for (const [what, again] of [
    ['another way', '... {\n      kind @enumCase(as: KEBAB)\n    }'],
    ['no way', '... {\n      kind\n    }'],
  ] as const) {
    mistake(`an enum that is written in ${what} elsewhere`, { [rest]: [[pascal, `${pascal}\n    ${again}`]] }, [
      'schema/rest/shop.graphql:7:7: kind is selected more than once, and not with the same @enumCase',
      '    Write the same wherever it is selected, or give one of them an alias.',
    ]);
  }
  mistake(
    'a field that is in a header and in the body',
    { [rest]: [['    name\n    kind', '    name\n    name @header(name: "X-Name")\n    kind']] },
    [
      'schema/rest/shop.graphql:5:5: name is selected more than once, and not with the same @header',
      '    Write the same wherever it is selected, or give one of them an alias.',
    ],
  );
  mistake('a header of a field in a list', { [rest]: [['      name\n', '      name @header(name: "X-Name")\n']] }, [
    'schema/rest/shop.graphql:13:12: name may be there several times in an answer, in a list or a stream',
    '    Remove @header.',
  ]);
  mistake('a header of an object', { [rest]: [['products: nodes {', 'products: nodes @header(name: "X-Nodes") {']] }, [
    'schema/rest/shop.graphql:11:21: nodes is no single value, which a header holds',
    '    Remove @header.',
  ]);
  for (const name of ['Set-Cookie', 'content-length', 'X-Request-Id', 'Access-Control-Allow-Origin', 'a b', '']) {
    mistake(`a header "${name}"`, { [rest]: [['    name\n    kind', `    name @header(name: "${name}")\n    kind`]] }, [
      `schema/rest/shop.graphql:4:10: "${name.toLowerCase()}" is not a header that a route may have`,
      '    Use a name of its own, such as X-Total-Count, Location or ETag.',
    ]);
  }
  mistake('two routes alike', { [rest]: [['"/shop/orders"', '"/orders"']] }, [
    'schema/rest/shop.graphql:19:1: PlaceOrder and PlaceOrder both answer POST /orders',
    '    Change the method or the path of one.',
  ]);
  mistake(
    'two routes that differ by the names of variables',
    {
      [rest]: [
        [
          'query ListProducts',
          'query Again($key: ID!) @rest(method: GET, path: "/shop/products/{key}") {\n  product(id: $key) {\n    id\n  }\n}\n\nquery ListProducts',
        ],
      ],
    },
    [
      'schema/rest/shop.graphql:9:1: Again and GetProduct both answer GET /shop/products/{key}, which /shop/products/{id} fits too',
      '    Change the method or the path of one.',
    ],
  );
  mistake(
    'two routes that one request fits',
    {
      [rest]: [
        [
          'query ListProducts',
          'query Again($id: ID!) @rest(method: GET, path: "/{id}/products/all") {\n  product(id: $id) {\n    id\n  }\n}\n\nquery ListProducts',
        ],
      ],
    },
    [
      'schema/rest/shop.graphql:9:1: Again and GetProduct both answer GET /{id}/products/all, which /shop/products/{id} fits too',
      '    Change the method or the path of one.',
    ],
  );
  mistake('a path of the GraphQL door', { [rest]: [['"/orders"', '"/graphql"']] }, [
    'schema/rest/shop.graphql:19:1: PlaceOrder takes /graphql, and the gateway itself answers /graphql',
    '    Use another path.',
  ]);
  mistake('a path of the sign-in', { [rest]: [['"/orders"', '"/api/v1/auth/dev/login"']] }, [
    'schema/rest/shop.graphql:19:1: PlaceOrder takes /api/v1/auth/dev/login, and the gateway itself answers /api/v1/auth/{provider}/login',
    '    Use another path.',
  ]);
  mistake(
    'two operations of one name',
    {
      'schema/rest/more.graphql':
        'query GetProduct($id: ID!) @rest(method: GET, path: "/more/{id}") {\n  product(id: $id) {\n    id\n  }\n}\n',
    },
    ['schema/rest/shop.graphql:1:1: two operations are called GetProduct', '    Rename one of them.'],
  );
});
