import { GatewayError } from '../../src/errors';
import type { Exchange } from '../../src/http/exchange';
import type { RestOperation } from '../../src/rest/rest-operation';
import { StreamReplays } from '../../src/rest/stream-replays';

test('streams that nobody reads count with what they take beside their events; the oldest are given up', () => {
  const counter = { inc: () => {} };
  const gatekeeper = { admit: () => {}, authenticate: () => Promise.reject(new Error('nobody comes back')) };
  const replays = new StreamReplays({ size: 1024, window: 60_000, gatekeeper, resumed: counter, refused: counter });
  const cancelled: number[] = [];
  /** A stream without an event, whose client leaves at once. */
  const leave = (number: number): void => {
    let onLeft = (): void => {};
    const exchange: Pick<Exchange, 'id' | 'detach'> = {
      id: String(number),
      detach(listener) {
        onLeft = listener;
        return { session: undefined, cancel: () => cancelled.push(number), end: () => {} };
      },
    };
    const request = { operation: { name: 'Count' } as RestOperation, variables: {} };
    replays.begin(exchange as Exchange, request, { next: () => new Promise(() => {}) });
    onLeft();
  };
  const room = Math.floor((64 * 1024 * 1024) / (10 * 1024));
  for (let number = 0; number < room; number += 1) leave(number);
  expect([replays.idle.open, cancelled]).toEqual([room, []]);
  for (let number = room; number < room + 3; number += 1) leave(number);
  expect([replays.idle.open, cancelled]).toEqual([room, [0, 1, 2]]);
  replays.end(new GatewayError('OVERLOADED'));
  expect([replays.idle.open, cancelled.length]).toEqual([0, room + 3]);
  leave(room + 3);
  expect([replays.idle.open, cancelled.length]).toEqual([1, room + 3]);
  replays.end(new GatewayError('OVERLOADED'));
});
