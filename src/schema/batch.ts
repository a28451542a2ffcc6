import DataLoader from 'dataloader';
import type { ProtoMessage } from '../grpc/protos';
import type { Rpc, Upstream } from '../grpc/upstream';
import { upstreamStatus } from '../grpc/status';
import type { ResolverContext } from './context';

/** How objects are found by key, compiled from @lookup or @join. */
export interface Lookup {
  readonly upstream: () => Upstream;
  readonly rpc: Rpc<ProtoMessage, ProtoMessage>;
  /** Ms. */
  readonly timeout: number;
  /** The request for these keys. */
  readonly request: (keys: readonly Key[]) => ProtoMessage;
  /** The objects that a response holds. */
  readonly items: (response: ProtoMessage) => readonly ProtoMessage[];
  /** The key that an object is found by, as {@link keyText} gives it. */
  readonly keyOf: (item: ProtoMessage) => string;
  /** True where a key finds a list of objects. */
  readonly many: boolean;
  /** How many keys one call takes at most; 1 where the RPC finds one object at a time. */
  readonly max: number;
  /** How many calls of one key run at once; undefined where the RPC takes many keys. */
  readonly concurrency: number | undefined;
}

/** The values that make up a key, in the order that the directive names them. */
export type Key = readonly unknown[];

/** A key as text, for matching: the same for equal keys, 64-bit numbers included. */
export function keyText(key: Key): string {
  return key.length === 1 ? String(key[0]) : JSON.stringify(key.map(String));
}

/** True where a part of a key is not set: such a key finds nothing and is not looked up. */
export function isEmptyKey(key: Key): boolean {
  return key.some((part) => part === undefined || part === null || part === '');
}

/** The loader of a lookup for one operation. Keys of one operation are never seen by another. */
export function loaderOf(lookup: Lookup, context: ResolverContext): DataLoader<Key, unknown, string> {
  const known = context.loaders.get(lookup);
  if (known) return known;
  const load =
    lookup.concurrency === undefined ? batched(lookup, context) : single(lookup, context, lookup.concurrency);
  const loader = new DataLoader<Key, unknown, string>(load, {
    cacheKeyFn: keyText,
    maxBatchSize: lookup.concurrency === undefined ? lookup.max : Infinity,
  });
  context.loaders.set(lookup, loader);
  return loader;
}

/** One call for many keys; results are matched by key, so their order and what is missing do not matter. */
function batched(lookup: Lookup, context: ResolverContext) {
  return async (keys: readonly Key[]): Promise<unknown[]> => {
    const response = await lookup.upstream().unary(lookup.rpc, lookup.request(keys), context.scope, lookup.timeout);
    const found = new Map<string, ProtoMessage[]>();
    for (const item of lookup.items(response)) {
      const key = lookup.keyOf(item);
      const items = found.get(key);
      if (items) items.push(item);
      else found.set(key, [item]);
    }
    return keys.map((key) => {
      const items = found.get(keyText(key));
      return lookup.many ? (items ?? []) : (items?.[0] ?? null);
    });
  };
}

/** A call for each key, a few at a time. A key that fails fails alone. */
function single(lookup: Lookup, context: ResolverContext, concurrency: number) {
  return async (keys: readonly Key[]): Promise<unknown[]> => {
    const results: unknown[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < keys.length) {
        const index = next++;
        results[index] = await getOne(lookup, context, keys[index] ?? []);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, keys.length) }, worker));
    return results;
  };
}

async function getOne(lookup: Lookup, context: ResolverContext, key: Key): Promise<unknown> {
  try {
    const response = await lookup.upstream().unary(lookup.rpc, lookup.request([key]), context.scope, lookup.timeout);
    return lookup.items(response)[0] ?? null;
  } catch (error) {
    if (upstreamStatus(error) === 'NOT_FOUND') return null;
    return error;
  }
}
