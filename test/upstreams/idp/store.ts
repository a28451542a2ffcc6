/** Development only. Where oidc-provider keeps codes, tokens and sessions: in memory, one store per provider. */
import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Entry {
  payload: AdapterPayload;
  expiresAt: number;
}

/** Makes the adapter factory that oidc-provider asks for, and looks clients up with `findClient`. */
export function createStore(findClient: (clientId: string) => AdapterPayload | undefined): (model: string) => Adapter {
  return (model) => (model === 'Client' ? clientAdapter(findClient) : createAdapter());
}

function clientAdapter(findClient: (clientId: string) => AdapterPayload | undefined): Adapter {
  return Object.assign(createAdapter(), { find: (clientId: string) => Promise.resolve(findClient(clientId)) });
}

function createAdapter(): Adapter {
  const entries = new Map<string, Entry>();
  const findWhere = async (matches: (payload: AdapterPayload) => boolean) => {
    dropExpired(entries);
    return [...entries.values()].find(({ payload }) => matches(payload))?.payload;
  };
  return {
    upsert: async (id, payload, expiresIn = Infinity) => {
      dropExpired(entries);
      entries.set(id, { payload, expiresAt: Date.now() + expiresIn * 1_000 });
    },
    find: async (id) => {
      const entry = entries.get(id);
      return entry && entry.expiresAt > Date.now() ? entry.payload : undefined;
    },
    findByUid: (uid) => findWhere((payload) => payload.uid === uid),
    findByUserCode: (userCode) => findWhere((payload) => payload['userCode'] === userCode),
    consume: async (id) => {
      const payload = entries.get(id)?.payload;
      if (payload) payload.consumed = Math.floor(Date.now() / 1_000);
    },
    destroy: async (id) => void entries.delete(id),
    revokeByGrantId: async (grantId) => {
      for (const [id, { payload }] of entries) if (payload.grantId === grantId) entries.delete(id);
    },
  };
}

function dropExpired(entries: Map<string, Entry>): void {
  const now = Date.now();
  for (const [id, { expiresAt }] of entries) if (expiresAt <= now) entries.delete(id);
}
