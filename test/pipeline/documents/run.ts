import { join } from 'node:path';
import type { Upstream } from '../../../src/grpc/upstream';
import type { Documents, PreparedDocument } from '../../../src/pipeline/documents';
import { loadSchema } from '../../schema-fixture';
import { loadSources } from '../../../src/schema/sources';
import { createMetrics } from '../../../src/telemetry/metrics';

const root = join(__dirname, '../../..');
const sources = loadSources({ protoDir: join(root, 'proto'), schemaDir: join(root, 'schema') });
const User = sources.protos.lookupType('auth.v1.User');
const user = User.decode(User.encode({ user_id: 'a', email: 'a@example.com', display_name: 'A', status: 1 }).finish());

/** The gateway's own, in front of an upstream that answers every call with a user. */
export const { schema } = loadSchema({
  sources,
  upstream: () => ({ unary: () => Promise.resolve(user) }) as unknown as Upstream,
  resolvers: { gateway: () => ({ name: 'gateway', version: '1' }), logout: () => true, signOut: () => ({}) },
});

export const options = { introspection: true, metrics: createMetrics({ processMetrics: false }) };

/** About 100 characters, each its own. */
export function documentOf(index: number): string {
  return `query FindUser${index}($id: ID!) { user${index}: user(id: $id) { id email displayName status createdAt } }`;
}

const context = { scope: {}, caller: { userId: 'a', sessionId: 's', permissions: ['admin:user:list'] } };

/** Runs a document as a request does, so that it is compiled; of one that is not valid nothing runs. */
export async function run(documents: Documents, source: string, variables = {}): Promise<PreparedDocument> {
  const prepared = documents.prepare(source);
  const [plan] = prepared.plans;
  plan?.costOf(variables);
  const result = await plan?.compiled.execute({ context, variables: { id: 'a', ...variables } });
  if (result?.errors) throw new Error('the document failed', { cause: result.errors });
  documents.ran(prepared);
  return prepared;
}

/** Refuses a document for its cost: nothing of it runs. */
export function refuse(documents: Documents, source: string): PreparedDocument {
  const prepared = documents.prepare(source);
  for (const plan of prepared.plans) {
    if (plan.needsSession) for (const skip of [true, false]) plan.costOf({ n: 2, skip });
  }
  documents.ran(prepared);
  return prepared;
}
