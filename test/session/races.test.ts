import { GatewayError } from '../../src/errors';
import { UpstreamFailure } from '../../src/grpc/status';
import type { Session } from '../../src/session/auth-service';
import type { Revocation } from '../../src/session/revocations';
import { createRateLimits } from '../../src/session/rate-limits';
import { createSessions } from '../../src/session/sessions';
import { createLog } from '../../src/telemetry/log';
import { createMetrics } from '../../src/telemetry/metrics';
import { until } from '../gateway-fixture';

/*
 * What can happen between a question to AuthService and its answer. A real AuthService cannot be told to answer from before
 * something that it has announced, so here the test answers in its place.
 */

const session: Session = {
  sessionId: 'session-1',
  userId: 'user-mel',
  permissions: [],
  expiresAt: Date.now() + 3_600_000,
};

/** Something that arrives when the test says so. */
class Deferred<T> {
  settle!: { resolve(value: T): void; reject(error: Error): void };
  readonly promise = new Promise<T>((resolve, reject) => {
    this.settle = { resolve, reject };
  });
}

/** Sessions in front of an AuthService that is played by the test. */
function start() {
  const log = createLog('silent');
  const metrics = createMetrics({ processMetrics: false });
  const questions: { readonly token: string; readonly answer: Deferred<Session> }[] = [];
  const watches: Deferred<Revocation | 'end'>[][] = [];
  const sessions = createSessions({
    authService: {
      validateSession(token) {
        const answer = new Deferred<Session>();
        questions.push({ token, answer });
        return answer.promise;
      },
      revokeSession: () => Promise.resolve(),
      async *watchRevocations() {
        const events = [new Deferred<Revocation | 'end'>()];
        watches.push(events);
        for (;;) {
          const event = await events.at(-1)!.promise;
          if (event === 'end') return;
          events.push(new Deferred());
          yield event;
        }
      },
    },
    cacheTtl: 10_000,
    rateLimits: createRateLimits({ log, metrics }),
    maxChecks: 50,
    maxRefused: 300,
    metrics,
    log,
    connected: () => true,
  });
  running.push(sessions);
  return {
    sessions,
    questions,
    watches,
    validate: (token: string) => sessions.validate(token, { requestId: 'request', deadline: Date.now() + 5_000 }),
    /** Sends something down the newest watch, and lets it arrive. */
    tell: async (event: Revocation | 'end') => {
      watches.at(-1)?.at(-1)?.settle.resolve(event);
      await turn();
    },
  };
}

const running: { close(): void }[] = [];
afterEach(() => {
  for (const each of running.splice(0)) each.close();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const refused = (): GatewayError => {
  const cause = new UpstreamFailure('auth.v1.AuthService', 'ValidateSession', 'UNAUTHENTICATED', 'no such session');
  return new GatewayError('UPSTREAM_ERROR', undefined, { cause });
};

test.each([
  ['of the session', { sessionId: session.sessionId }],
  ['of its user', { userId: session.userId }],
])('an answer from before a revocation %s is not believed: AuthService is asked again', async (_of, revocation) => {
  const { validate, questions, tell } = start();
  const [first, second] = [validate('token'), validate('token')];
  await tell(revocation);
  questions[0]?.answer.settle.resolve(session);
  await turn();
  expect(questions).toHaveLength(2);
  questions[1]?.answer.settle.reject(refused());
  await expect(first).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(second).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a revocation of another session, while an answer is under way, changes nothing', async () => {
  const { validate, questions, tell } = start();
  const first = validate('token');
  await tell({ sessionId: 'session-2' });
  await tell({ userId: 'user-max' });
  questions[0]?.answer.settle.resolve(session);
  expect(await first).toBe(session);
  expect(await validate('token')).toBe(session);
  expect(questions).toHaveLength(1);
});

test('an answer that comes after a sign-out is not believed, nor kept', async () => {
  const { sessions, validate, questions } = start();
  const first = validate('token');
  await sessions.revoke('token', { requestId: 'request', deadline: Date.now() + 5_000 }, '127.0.0.1');
  questions[0]?.answer.settle.resolve(session);
  await expect(first).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(validate('token')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(questions).toHaveLength(1);
});

test('an answer from a time when revocations may have been missed is given, and not kept', async () => {
  const { validate, questions, watches, tell } = start();
  await tell({ sessionId: 'session-2' });
  await tell('end');
  const first = validate('token');
  await until(
    () => watches.length,
    (count) => count === 2,
  );
  await tell({ sessionId: 'session-2' });
  questions[0]?.answer.settle.resolve(session);
  expect(await first).toBe(session);
  const next = validate('token');
  expect(questions).toHaveLength(2);
  questions[1]?.answer.settle.resolve(session);
  expect(await next).toBe(session);
  // From then on it is kept as ever.
  expect(await validate('token')).toBe(session);
  expect(questions).toHaveLength(2);
});

test('who has left already does not wait, and leaves the answer to the next', async () => {
  const { sessions, validate, questions } = start();
  const signal = AbortSignal.abort(new GatewayError('CLIENT_CLOSED_REQUEST'));
  const gone = sessions.validate('token', { requestId: 'request', deadline: Date.now() + 5_000, signal });
  await expect(gone).rejects.toMatchObject({ code: 'CLIENT_CLOSED_REQUEST' });
  const next = validate('token');
  questions[0]?.answer.settle.resolve(session);
  expect(await next).toBe(session);
  expect(questions).toHaveLength(1);
});

test('an answer counts from when it was asked for, and not from when it came', async () => {
  const { validate, questions } = start();
  const first = validate('token');
  const now = performance.now.bind(performance);
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 9_000);
  questions[0]?.answer.settle.resolve(session);
  await first;
  clock.mockImplementation(() => now() + 10_001);
  const next = validate('token');
  expect(questions).toHaveLength(2);
  questions[1]?.answer.settle.resolve(session);
  await next;
  clock.mockRestore();
});

test('made-up tokens, however many, push no session out, and are themselves forgotten', async () => {
  const { validate, questions } = start();
  const real = validate('token');
  questions[0]?.answer.settle.resolve(session);
  await real;
  for (let index = 0; index <= 10_000; index += 1) {
    const guess = validate(`made-up-${index}`);
    questions.at(-1)?.answer.settle.reject(refused());
    await guess.catch(() => {});
  }
  expect(await validate('token')).toBe(session);
  expect(questions).toHaveLength(10_002);
  await expect(validate('made-up-10000')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(questions).toHaveLength(10_002);
  const forgotten = validate('made-up-0');
  expect(questions).toHaveLength(10_003);
  questions.at(-1)?.answer.settle.reject(refused());
  await expect(forgotten).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});
