/** A program that uses the gateway by openapi-fetch. Prints what it got. */
import createClient from 'openapi-fetch';
import type { paths } from './types';

const [baseUrl = '', token = ''] = process.argv.slice(2);
const options = { baseUrl, headers: { authorization: `Bearer ${token}` } };
const client = createClient<paths, 'application/json'>(options);
const streams = createClient<paths, 'application/x-ndjson'>(options);

type Line = paths['/api/ai']['post']['responses'][200]['content']['application/x-ndjson'];

/** A line of a stream in words. */
function textOf(line: Line): string {
  switch (line.event) {
    case 'heartbeat':
      return 'heartbeat';
    case 'done':
      return 'done';
    case 'error':
      return line.data.error.reason;
    default:
      return `${line.event} ${line.data.delta ?? line.data.answer?.response ?? ''}`;
  }
}

async function main(): Promise<object> {
  const listed = await client.GET('/api/v1/users', { params: { query: { pageSize: 2, status: 'Active' } } });
  const users = (listed.data?.users ?? []).map(({ email, status }) => `${email} ${status ?? 'of no status'}`);
  const next: string | null | undefined = listed.data?.nextPageToken;

  const path = { userId: 'user-mel' };
  const patched = await client.PATCH('/api/v1/users/{userId}', {
    params: { path },
    body: { displayName: 'Mel by types' },
  });
  const got = await client.GET('/api/v1/users/{userId}', { params: { path } });
  const displayName: string | undefined = got.data?.displayName;
  const lastLoginAt: string | null | undefined = got.data?.lastLoginAt;

  const invited = await client.POST('/api/v1/users/invite', {
    body: { email: 'types@example.com', roles: ['member'] },
  });
  const missing = await client.GET('/api/v1/users/{userId}', { params: { path: { userId: 'nobody' } } });
  const refused = await client.POST('/api/v1/users/invite', { body: { email: 'not an address' } });
  const reasons = [missing, refused].map(({ error }) => error?.error.reason);

  const answered = await client.POST('/api/ai', { body: { query: 'count to 3' } });
  const response: string | undefined = answered.data?.answer?.response;
  const plan: { readonly planId: string } | undefined = answered.data?.plan;

  const streamed = await streams.POST('/api/ai', {
    body: { query: 'count to 3' },
    headers: { accept: 'application/x-ndjson' },
    parseAs: 'text',
  });
  const lines = String(streamed.data).trim().split('\n');

  const left = await client.POST('/session/end');
  const after = await client.GET('/api/v1/users/me');
  return {
    users,
    hasMore: typeof next === 'string',
    patched: patched.data?.displayName,
    displayName,
    lastLoginAt,
    invited: [invited.response.status, invited.data?.status],
    reasons,
    asked: { response, plan },
    events: lines.map((line) => textOf(JSON.parse(line) as Line)),
    left: left.response.status,
    after: after.error?.error.code,
  };
}

void main().then((outcome) => process.stdout.write(JSON.stringify(outcome)));
