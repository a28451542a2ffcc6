import { mistake, removeFolders, sdl } from './fixture';

afterAll(removeFolders);

const field = 'product(id: ID!): Product @public';
const withLimit = (directive: string) => ({ [sdl]: [[field, `${field} ${directive}`]] as const });
const help = '    Give whole seconds or minutes, from 1s to 1440m, such as 10s or 1m.';

describe('@rateLimit', () => {
  mistake('less than one', withLimit('@rateLimit(limit: 0, window: "1m", by: ADDRESS)'), [
    'schema/shop.graphql:4:37: limit of @rateLimit is 0',
    '    It must be at least 1.',
  ]);
  for (const window of ['1', '0s', '500ms', '1.5s', '1441m', 'a minute', '1h', '-1s', '']) {
    mistake(`the window "${window}"`, withLimit(`@rateLimit(limit: 1, window: "${window}", by: ADDRESS)`), [
      `schema/shop.graphql:4:37: window of @rateLimit is "${window}"`,
      help,
    ]);
  }
  for (const by of ['USER', 'SESSION']) {
    mistake(`counting by ${by} what is for anybody`, withLimit(`@rateLimit(limit: 1, window: "1m", by: ${by})`), [
      `schema/shop.graphql:4:37: @rateLimit counts by ${by}, and Query.product is for anybody: nobody need be signed in`,
      '    Count by: ADDRESS, or make the field @authenticated.',
    ]);
  }
  mistake(
    'counting by USER, which is the default, what is for anybody',
    withLimit('@rateLimit(limit: 1, window: "1m")'),
    [
      'schema/shop.graphql:4:37: @rateLimit counts by USER, and Query.product is for anybody: nobody need be signed in',
      '    Count by: ADDRESS, or make the field @authenticated.',
    ],
  );
  mistake(
    'on a field of an interface',
    {
      [sdl]: [
        [
          'type OrderEvent {',
          'interface Noted {\n  note: String! @rateLimit(limit: 1, window: "1m")\n}\n\ntype OrderEvent implements Noted {',
        ],
      ],
    },
    [
      'schema/shop.graphql:73:17: @rateLimit says nothing on Noted.note: Noted is an interface',
      '    Put it on the field of each type that implements the interface.',
    ],
  );
});
