/** What a stream counts as kept, which no answer shows. */
import { ReplayableStream } from '../../src/rest/replayable-stream';
import type { StreamEvent } from '../../src/rest/stream-format';

type Next = IteratorResult<StreamEvent, undefined>;

const event: StreamEvent = { name: 'message', id: 'stream.1', data: '{}', isLast: false };

test.each<[name: string, comes: () => Promise<Next>]>([
  ['an event', () => Promise.resolve({ done: false, value: event })],
  ['the end', () => Promise.resolve({ done: true, value: undefined })],
  ['a failure', () => Promise.reject(new Error('cancelled'))],
])('%s that comes after the stream was closed is not kept', async (_, comes) => {
  let size = 0;
  let come = (_next: Promise<Next>): void => {};
  const answers = [
    Promise.resolve<Next>({ done: false, value: event }),
    new Promise<Next>((resolve) => (come = resolve)),
  ];
  const stream = new ReplayableStream(
    { next: () => answers.shift()! },
    { maxSize: 1_000, onResized: (bytes) => (size += bytes), onEnded: () => {}, onLeft: () => {} },
  );
  const reader = stream.read(0, { replaced: () => {} });
  await reader.next();
  expect(size).toBeGreaterThan(0);
  const second = reader.next();
  reader.leave();
  expect((await second).done).toBe(true);
  stream.close();
  come(comes());
  // All that waits for it has gone on by then.
  await new Promise((resolve) => setImmediate(resolve));
  expect(size).toBe(0);
});
