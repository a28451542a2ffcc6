import DataLoader from 'dataloader';
import type Long from 'long';
import { upstreamStatus } from '../../grpc/status';
import type { Rpc, Upstream } from '../../grpc/upstream';
import type { ProtoMessage } from '../../proto/protos';
import type { ResolverContext } from '../resolver-context';

/** How objects are found by key, compiled from @lookup or @join. */
export interface Lookup {
  readonly upstream: () => Upstream;
  readonly rpc: Rpc<ProtoMessage, ProtoMessage>;
  /** Ms. */
  readonly timeout: number;
  /** The request for these keys. */
  readonly request: (keys: readonly LookupKey[]) => ProtoMessage;
  /** The objects in a response. */
  readonly items: (response: ProtoMessage) => readonly ProtoMessage[];
  /** The key of an object, as {@link keyText} writes it. */
  readonly keyOf: (item: ProtoMessage) => string;
  /** True where a key finds a list of objects. */
  readonly many: boolean;
  /** How many keys one call takes at most; 1 where the RPC finds one object at a time. */
  readonly max: number;
  /** How many calls of one key run at once; undefined where the RPC takes many keys. */
  readonly concurrency: number | undefined;
}

/** The parts of a key in the order of the directive: scalars as they were decoded. */
export type LookupKey = readonly unknown[];

/** A key as text: the same text for equal keys, 64-bit numbers and bytes included. */
export function keyText(key: LookupKey): string {
  const [only] = key;
  return key.length === 1 ? partText(only) : JSON.stringify(key.map(partText));
}

function partText(part: unknown): string {
  if (part === undefined || part === null) return '';
  return part instanceof Uint8Array ? Buffer.from(part).toString('base64') : (part as Long).toString();
}

/** True where a part of a key is not set. Such a key finds nothing, and is not looked up. */
export function isEmptyKey(key: LookupKey): boolean {
  return key.some((part) => partText(part) === '');
}

/** The loader of a look-up for one operation. Operations never share keys or results. */
export function loaderOf(lookup: Lookup, context: ResolverContext): DataLoader<LookupKey, unknown, string> {
  const known = context.loaders.get(lookup);
  if (known) return known;
  const load =
    lookup.concurrency === undefined ? batched(lookup, context) : single(lookup, context, lookup.concurrency);
  const loader = new DataLoader<LookupKey, unknown, string>(load, { cacheKeyFn: keyText });
  context.loaders.set(lookup, loader);
  return loader;
}

/**
 * One call per chunk of keys. Waits for all of them, so that the next look-ups, whose keys are in the results, are collected
 * from all results.
 */
function batched(lookup: Lookup, context: ResolverContext) {
  return async (keys: readonly LookupKey[]): Promise<unknown[]> => {
    const chunks = Array.from({ length: Math.ceil(keys.length / lookup.max) }, (_, index) =>
      keys.slice(index * lookup.max, (index + 1) * lookup.max),
    );
    return (await Promise.all(chunks.map((chunk) => getMany(lookup, context, chunk)))).flat(1);
  };
}

/** One call. Results are matched by key, in any order; a key may be missing. A failure fails every key of the call. */
async function getMany(lookup: Lookup, context: ResolverContext, keys: readonly LookupKey[]): Promise<unknown[]> {
  let response: ProtoMessage;
  try {
    response = await lookup.upstream().unary(lookup.rpc, lookup.request(keys), context.scope, lookup.timeout);
  } catch (error) {
    return keys.map(() => error);
  }
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
}

/** One call per key, a few at a time. A failure fails its key alone. */
function single(lookup: Lookup, context: ResolverContext, concurrency: number) {
  const whenFree = limited(concurrency);
  return (keys: readonly LookupKey[]): Promise<unknown[]> =>
    Promise.all(keys.map((key) => whenFree(() => getOne(lookup, context, key))));
}

/** Limits how much work runs at once. */
function limited(max: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    // Finished work hands its place to the next in line.
    if (running < max) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

async function getOne(lookup: Lookup, context: ResolverContext, key: LookupKey): Promise<unknown> {
  try {
    const response = await lookup.upstream().unary(lookup.rpc, lookup.request([key]), context.scope, lookup.timeout);
    return lookup.items(response)[0] ?? null;
  } catch (error) {
    if (upstreamStatus(error) === 'NOT_FOUND') return null;
    return error;
  }
}
