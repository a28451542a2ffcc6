import { createRateLimits, memoryCapacity, rateLimitHeaders } from '../../src/session/rate-limits';
import { createLog } from '../../src/telemetry/log';
import { createMetrics } from '../../src/telemetry/metrics';

const rateLimits = () =>
  createRateLimits({ log: createLog('silent'), metrics: createMetrics({ processMetrics: false }) });

test('a window begins with its first request, and says when it ends', async () => {
  const limits = rateLimits();
  const limit = { name: 'a', limit: 3, window: 1 };
  expect(await limits.spend(limit, 'x', 2)).toMatchObject({ isOver: false, remaining: 1, resetAfter: 1 });
  expect(await limits.spend(limit, 'x', 2)).toMatchObject({ isOver: true, remaining: 0 });
  expect(await limits.spend(limit, 'y', 3)).toMatchObject({ isOver: false, remaining: 0 });
  expect(await limits.spend({ ...limit, name: 'b' }, 'x', 1)).toMatchObject({ isOver: false, remaining: 2 });
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + 1_001);
  expect(await limits.spend(limit, 'x', 1)).toMatchObject({ isOver: false, remaining: 2 });
  jest.restoreAllMocks();
  limits.close();
});

test('memory is bounded: beyond so many keys the least recently used one begins anew', async () => {
  const limits = rateLimits();
  const limit = { name: 'a', limit: 1, window: 3600 };
  await limits.spend(limit, 'first', 1);
  await limits.spend(limit, 'kept', 1);
  for (let key = 0; key < memoryCapacity - 2; key += 1) await limits.spend(limit, String(key), 1);
  expect(await limits.spend(limit, 'kept', 1)).toMatchObject({ isOver: true });
  await limits.spend(limit, 'one more', 1);
  expect(await limits.spend(limit, 'kept', 1)).toMatchObject({ isOver: true });
  expect(await limits.spend(limit, 'first', 1)).toMatchObject({ isOver: false });
  limits.close();
});

test('the headers are those of the draft', () => {
  const quota = { isOver: false, used: 3, remaining: 7, resetAfter: 42 };
  expect(
    rateLimitHeaders([
      { ...quota, rateLimit: { name: 'login', limit: 10, window: 60 } },
      { ...quota, remaining: 0, rateLimit: { name: 'Query.me', limit: 5, window: 3600 } },
    ]),
  ).toEqual({
    'ratelimit-policy': '"login";q=10;w=60, "Query.me";q=5;w=3600',
    ratelimit: '"login";r=7;t=42, "Query.me";r=0;t=42',
  });
});
