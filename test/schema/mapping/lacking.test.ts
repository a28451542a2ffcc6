/** A row that lacks what a request takes from it: no call is made, for a service would answer with everything. */
import type { Decoded } from '../../gateway-fixture';
import { startLab, type Lab } from './lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab('orders', {
    answers: {
      'OrderService.ListOrders': () => ({ orders: [{ id: 'o1', keys }] }),
      'OrderService.FindNotes': () => ({ notes: [{ id: 'everything' }], total_size: 1 }),
      'OrderService.GetNote': () => ({ id: 'the first of all' }),
      async *'OrderService.StreamNotes'() {
        yield { id: 'everything' };
      },
      async *'OrderService.WatchOrders'() {
        yield { id: 'o1', keys };
      },
    },
  });
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.upstreams.reset();
  keys = undefined;
});

/** Of the only order. */
let keys: Decoded;

const noteCalls = (): number =>
  ['FindNotes', 'GetNote', 'StreamNotes'].reduce(
    (sum, rpc) => sum + lab.upstreams.control.count(`OrderService.${rpc}`),
    0,
  );

/** Per field: what is unset, and what is set though it may look as if it were not. */
const cases: readonly (readonly [field: string, unset: readonly Decoded[], set: readonly Decoded[]])[] = [
  ['byText', [{}, { text: '' }], [{ text: '0' }, { text: ' ' }]],
  ['bySmall', [{}, { small: 0 }], [{ small: -1 }]],
  ['byLarge', [{}, { large: '0' }], [{ large: '-9223372036854775808' }]],
  ['byReal', [{}, { real: 0 }], [{ real: 1e-300 }]],
  ['byDigest', [{}, { digest: Buffer.alloc(0) }], [{ digest: Buffer.from([0]) }]],
  ['byFlag', [], [{}, { flag: false }, { flag: true }]],
  ['byKind', [{}, { kind: 0 }], [{ kind: 1 }]],
  ['byColor', [], [{}, { color: 1 }]],
  ['byTexts', [{}, { texts: [] }], [{ texts: [''] }]],
  ['byLabels', [{}, { labels: {} }], [{ labels: { a: '' } }]],
  ['byInner', [{}], [{ inner: {} }]],
  ['byMaybeText', [{}, { maybe_text: '' }], [{ maybe_text: '0' }]],
  ['byMaybeLarge', [{}], [{ maybe_large: '0' }]],
  ['byWrapped', [{}], [{ wrapped: { value: '0' } }]],
  ['byWrappedText', [{}], [{ wrapped_text: { value: 'x' } }]],
];

describe.each(cases)('%s', (field, unset, set) => {
  const ask = async (): Promise<Decoded> => {
    const data = await lab.data(`{ orders { ${field} { id } } }`);
    return data.orders[0][field];
  };

  test('of a row without the message that it is in is empty', async () => {
    expect([await ask(), noteCalls()]).toEqual([[], 0]);
  });

  for (const given of unset) {
    test(`unset: ${JSON.stringify(given)}`, async () => {
      keys = given;
      expect([await ask(), noteCalls()]).toEqual([[], 0]);
    });
  }

  test.each(set.map((each) => [JSON.stringify(each), each] as const))('set: %s', async (_text, given) => {
    keys = given;
    expect([await ask(), noteCalls()]).toEqual([[{ id: 'everything' }], 1]);
  });
});

test('one of two that is unset is enough', async () => {
  keys = { text: 'a' };
  expect(await lab.data('{ orders { byBoth { id } } }')).toEqual({ orders: [{ byBoth: [] }] });
  keys = { text: 'a', inner: { text: 'b' } };
  expect(await lab.data('{ orders { byBoth { id } byId { id } } }')).toEqual({
    orders: [{ byBoth: [{ id: 'everything' }], byId: [{ id: 'everything' }] }],
  });
});

test('a page is empty, a list is empty, an object is null, and one that must be there is not found', async () => {
  const query = `{ orders {
    page { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount }
    collected { id }
    note { id }
  } }`;
  expect(await lab.data(query)).toEqual({
    orders: [
      {
        page: {
          nodes: [],
          pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
          totalCount: 0,
        },
        collected: [],
        note: null,
      },
    ],
  });
  const { errors } = await lab.graphql('{ orders { noteOrNothing { id } } }');
  expect(errors).toMatchObject([{ path: ['orders', 0, 'noteOrNothing'], extensions: { code: 'NOT_FOUND' } }]);
  expect(noteCalls()).toBe(0);
});

test('in the events of a stream too', async () => {
  const events: Decoded[] = [];
  for await (const event of lab.subscribe(
    'subscription { watchOrders { byText { id } byLarge { id } note { id } } }',
  )) {
    events.push(event);
  }
  expect(events).toEqual([{ data: { watchOrders: { byText: [], byLarge: [], note: null } } }]);
  expect(noteCalls()).toBe(0);
});
