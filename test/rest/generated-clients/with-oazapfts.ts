/** A program that uses the gateway by the functions that oazapfts makes. Prints what it got. */
import { HttpError, ok } from '@oazapfts/runtime';
import * as api from './functions';

const [baseUrl = '', token = ''] = process.argv.slice(2);
api.defaults.baseUrl = baseUrl;
api.defaults.headers = { authorization: `Bearer ${token}` };

async function statusOf(call: Promise<unknown>): Promise<number | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return error instanceof HttpError ? error.status : undefined;
  }
}

async function main(): Promise<object> {
  const { users, nextPageToken } = await ok(api.listUsers({ pageSize: 2, status: 'Active' }));
  const patched = await ok(api.updateUserPatch('user-mel', { displayName: 'Mel by functions' }));
  const { displayName, lastLoginAt } = await ok(api.getUser('user-mel'));

  // Each status has a type of its own.
  const invited = await api.inviteUser({ email: 'functions@example.com', roles: ['member'] });
  const email = invited.status === 201 ? invited.data.email : invited.data.error.reason;
  const missing = await api.getUser('nobody');
  const reason = missing.status === 200 ? missing.data.userId : missing.data.error.reason;

  const asked = await api.askAssistant({ query: 'count to 3' });
  if (asked.status !== 200) throw new Error(`the assistant says ${asked.status}`);
  const { answer, plan } = asked.data;
  const left = await api.endSession();
  const after = await statusOf(ok(api.me()));
  return {
    users: users.map((user) => `${user.email} ${user.status ?? 'of no status'}`),
    hasMore: nextPageToken !== null,
    patched: patched.displayName,
    displayName,
    lastLoginAt,
    invited: [invited.status, email],
    reason,
    asked: { response: answer?.response, plan },
    left: left.status,
    after,
  };
}

void main().then((outcome) => process.stdout.write(JSON.stringify(outcome)));
