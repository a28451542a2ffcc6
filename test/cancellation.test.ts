import { Canceller, firstOf, type Cancellation } from '../src/cancellation';

/** The same by Node. */
function byNode(): { cancellation: Cancellation; abort: (reason: unknown) => void } {
  const controller = new AbortController();
  return { cancellation: controller.signal, abort: (reason) => controller.abort(reason) };
}

function byUs(): ReturnType<typeof byNode> {
  const canceller = new Canceller();
  return { cancellation: canceller, abort: (reason) => canceller.abort(reason) };
}

function derived(): ReturnType<typeof byNode> {
  const canceller = new Canceller();
  return {
    cancellation: firstOf([new Canceller(), canceller, new Canceller()]),
    abort: (reason) => canceller.abort(reason),
  };
}

describe.each([
  ['an AbortSignal', byNode],
  ['a Canceller', byUs],
  ['the first of several', derived],
])('%s', (_what, make) => {
  test('calls each listener once, with the first reason', () => {
    const { cancellation, abort } = make();
    const calls: unknown[] = [];
    const twice = (): void => void calls.push(['twice', cancellation.reason]);
    cancellation.addEventListener('abort', twice, { once: true });
    cancellation.addEventListener('abort', twice, { once: true });
    cancellation.addEventListener('abort', () => calls.push(['other', cancellation.aborted]));
    expect([cancellation.aborted, cancellation.reason]).toEqual([false, undefined]);
    const reason = new Error('first');
    abort(reason);
    abort(new Error('second'));
    expect(calls).toEqual([
      ['twice', reason],
      ['other', true],
    ]);
    expect(cancellation.reason).toBe(reason);
  });

  test('calls nobody who came too late or has gone', () => {
    const { cancellation, abort } = make();
    const listener = jest.fn();
    const gone = jest.fn();
    cancellation.addEventListener('abort', gone);
    cancellation.addEventListener('abort', () => cancellation.removeEventListener('abort', removed));
    const removed = jest.fn();
    cancellation.addEventListener('abort', removed);
    cancellation.removeEventListener('abort', gone);
    cancellation.removeEventListener('abort', listener);
    abort('reason');
    cancellation.addEventListener('abort', listener);
    abort('reason');
    for (const each of [listener, gone, removed]) expect(each).not.toHaveBeenCalled();
  });
});

test('the first of several counts, one that is aborted already before all', () => {
  const [early, late] = [new Canceller(), new Canceller()];
  const first = firstOf([early, late]);
  late.abort('late');
  early.abort('early');
  expect(first).toMatchObject({ aborted: true, reason: 'late' });
  expect(firstOf([new Canceller(), early, late])).toMatchObject({ aborted: true, reason: 'early' });
});
