import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { inspect } from 'node:util';
import { catalogue, GatewayError, StacklessError } from '../src/errors';
import { UpstreamFailure } from '../src/grpc/status';
import { errorEnvelope } from '../src/http/error-reply';
import { createLog } from '../src/telemetry/log';

test("the README's table of errors is the catalogue", () => {
  const readme = readFileSync('README.md', 'utf8');
  const [, table = ''] = /<!-- errors:begin -->\n+(.*?)\n+<!-- errors:end -->/s.exec(readme) ?? [];
  const rows = table
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, 4),
    );
  const expected = Object.entries(catalogue).map(([code, { http, meaning }]) => [`\`${code}\``, String(http), meaning]);
  expect(rows).toEqual(expected);
});

test("the README's table of an error's members is what REST writes, in its order", () => {
  const [, table = ''] =
    /<!-- error-members:begin -->(.*?)<!-- error-members:end -->/s.exec(readFileSync('README.md', 'utf8')) ?? [];
  const rows = [...table.matchAll(/^\| `(\w+)` +\| (always|where) ?(.*?) +\|/gm)];
  const write = (error: GatewayError): string[] =>
    Object.keys((errorEnvelope(error, { id: 'x' }) as { error: object }).error);
  const [fieldViolations, details] = [[{ field: 'a', description: 'b' }], [{ '@type': 'google.rpc.Help' }]];
  const whole = new GatewayError('BAD_USER_INPUT', 'no', { fieldViolations, details, retryAfter: 1 });
  expect(rows.map(([, name]) => name)).toEqual(write(whole));
  const always = rows.filter(([, , when]) => when === 'always').map(([, name]) => name);
  expect(always).toEqual(write(new GatewayError('NOT_FOUND', undefined, { fieldViolations: [], details: [] })));
});

describe('a GatewayError', () => {
  const cause = new UpstreamFailure('a.v1.A', 'Get', 'NOT_FOUND', 'row 7 is gone');
  const error = new GatewayError('NOT_FOUND', 'There is no such thing.', { cause, retryAfter: 3 });

  test('is an error to whoever asks', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(StacklessError);
    expect(error).toBeInstanceOf(GatewayError);
    expect(cause).toBeInstanceOf(Error);
    expect(cause).not.toBeInstanceOf(GatewayError);
    expect([error.name, error.message, error.cause]).toEqual(['GatewayError', 'There is no such thing.', cause]);
    expect(String(error)).toBe('GatewayError: There is no such thing.');
    expect(new GatewayError('NOT_FOUND').message).toBe('Not found.');
    expect(new GatewayError('NOT_FOUND').cause).toBeUndefined();
  });

  test('shows as little of itself as other errors do', () => {
    const own = ['name', 'code', 'fieldViolations', 'details', 'retryAfter', 'headers', 'limit', 'isClientDeadline'];
    expect(Object.keys(error)).toEqual(own);
    const iterated: string[] = [];
    for (const key in error) iterated.push(key);
    expect(iterated).toEqual(own);
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'GatewayError', code: 'NOT_FOUND', retryAfter: 3 });
  });

  test('can be thrown, rejected with and expected', async () => {
    const fail = (): never => {
      throw error;
    };
    expect(fail).toThrow(error);
    expect(fail).toThrow(GatewayError);
    expect(fail).toThrow('There is no such thing.');
    await expect(Promise.reject(error)).rejects.toThrow(/no such/);
    await expect(Promise.reject(error)).rejects.toBe(error);
    expect(() => AbortSignal.abort(error).throwIfAborted()).toThrow(error);
  });

  test('goes through streams', async () => {
    const writable = new Writable();
    const failed = new Promise((resolve) => writable.once('error', resolve));
    writable.destroy(error);
    expect(await failed).toBe(error);
    const readable = new Readable({ read: () => void readable.destroy(error) });
    await expect(readable.toArray()).rejects.toBe(error);
  });

  test('is logged with its cause', () => {
    const lines: string[] = [];
    createLog('info', { write: (line) => void lines.push(line) }).warn({ err: error }, 'failed');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      err: {
        type: 'GatewayError',
        name: 'GatewayError',
        code: 'NOT_FOUND',
        message: 'There is no such thing.: row 7 is gone',
        stack: 'GatewayError: There is no such thing.\ncaused by: UpstreamFailure: row 7 is gone',
      },
    });
  });

  test('is printed as an error, with its cause', () => {
    const text = inspect({ error });
    expect(text).toContain('[GatewayError: There is no such thing.] {');
    expect(text).toContain("code: 'NOT_FOUND'");
    expect(text).toMatch(/\[cause\]: \[UpstreamFailure: row 7 is gone\] \{\s+service: 'a\.v1\.A'/);
  });

  test('has no stack, unless it is a bug', () => {
    expect(error.stack).toBe('GatewayError: There is no such thing.');
    const bug = new GatewayError('INTERNAL_SERVER_ERROR', undefined, { cause: error });
    const [head, place] = bug.stack.split('\n');
    expect(head).toBe('GatewayError: Something went wrong in the gateway.');
    expect(place).toContain('errors.test.ts');
    expect(Object.keys(bug)).not.toContain('stack');
  });

  test('has a stack that can be set, as those of other errors', () => {
    const other = new GatewayError('NOT_FOUND');
    other.stack = 'elsewhere';
    expect(other.stack).toBe('elsewhere');
    expect(Object.keys(other)).not.toContain('stack');
    expect(error.stack).toContain('GatewayError');
  });

  test('leaves the length of stacks alone', () => {
    const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')!;
    const writes: unknown[] = [];
    Object.defineProperty(Error, 'stackTraceLimit', {
      configurable: true,
      get: () => limit.value as unknown,
      set: (value) => {
        writes.push(value);
      },
    });
    try {
      const failure = new UpstreamFailure('a', 'b', 'NOT_FOUND', '');
      expect(new GatewayError('NOT_FOUND', undefined, { cause: failure }).cause).toBe(failure);
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', limit);
    }
    expect(writes).toEqual([]);
  });
});
