import { upstreamStatus } from '../../grpc/status';
import type { Rpc, Upstream } from '../../grpc/upstream';
import type { DecodedMessage } from '../../proto/proto-model';
import type { ProtoMessage } from '../../proto/protos';
import { attempt } from '../../proto/value-error';
import { forgetAnswers, type Args, type Resolver, type ResolverContext } from '../resolver-context';
import type { Paging } from './connection';
import type { MessageBuilder } from './message-draft';

/** Takes a field's value out of a response. */
export type Select = (response: DecodedMessage) => unknown;

/** The response itself is the value. */
export const wholeResponse: Select = (response) => response;

/** An RPC with everything that calling it takes. */
export interface Callable {
  readonly upstream: () => Upstream;
  readonly rpc: Rpc<ProtoMessage, ProtoMessage>;
  /** Ms. */
  readonly timeout: number;
  readonly build: MessageBuilder;
}

/** A resolver that has no use for `info`. */
export type ContextResolver = (parent: unknown, args: Args, context: ResolverContext) => unknown;

/** Calls a unary RPC. */
export function calling({ upstream, rpc, timeout, build }: Callable, select: Select): ContextResolver {
  const call = (parent: unknown, args: Args, { caller, scope }: ResolverContext): Promise<ProtoMessage> =>
    upstream().unary(rpc, build(args, caller, parent), scope, timeout);
  if (select === wholeResponse) return call;
  return (parent, args, context) => call(parent, args, context).then((response) => select(response as DecodedMessage));
}

/** Forgets, after a mutation, what was looked up before it: the mutation may have changed that. */
export function changing(resolve: ContextResolver): ContextResolver {
  return async (parent, args, context) => {
    try {
      return await resolve(parent, args, context);
    } finally {
      forgetAnswers(context);
    }
  };
}

/** Calls a unary RPC for a page of a list. */
export function pagingThrough({ upstream, rpc, timeout, build }: Callable, paging: Paging): ContextResolver {
  return async (parent, args, { caller, scope }) => {
    const request = build(args, caller, parent);
    const position = paging.request(request, args);
    const response = await upstream().unary(rpc, request, scope, timeout);
    return paging.page(response as DecodedMessage, position, args['first'] as number | undefined);
  };
}

/**
 * Makes no call where the parent lacks what the request takes from it.
 *
 * @param nothing - What the field then is.
 */
export function unlessLacking(
  lacksParent: (parent: unknown) => boolean,
  nothing: (args: Args) => unknown,
  resolve: ContextResolver,
): ContextResolver {
  return (parent, args, context) => (lacksParent(parent) ? nothing(args) : resolve(parent, args, context));
}

/** Collects a stream into a list, and leaves it when the list has `max` items. */
export function collecting({ upstream, rpc, timeout, build }: Callable, select: Select, max: number): ContextResolver {
  return async (parent, args, { caller, scope }) => {
    const collected: unknown[] = [];
    for await (const message of upstream().stream(rpc, build(args, caller, parent), scope, timeout, 'collect')) {
      collected.push(attempt(select, message as DecodedMessage));
      if (collected.length >= max) break;
    }
    return collected;
  };
}

/**
 * Passes a stream on as the events of a subscription.
 *
 * @param fallback - The unary RPC whose response is the one event where the upstream does not implement the stream.
 */
export function subscribing({ upstream, rpc, timeout, build }: Callable, fallback: Callable | undefined): Resolver {
  return async function* events(parent, args, context) {
    const { caller, scope } = context;
    let begun = false;
    try {
      for await (const message of upstream().stream(rpc, build(args, caller, parent), scope, timeout, 'subscribe')) {
        begun = true;
        // What was looked up for one event may have changed by the next.
        forgetAnswers(context);
        yield message;
      }
    } catch (error) {
      if (begun || !fallback || upstreamStatus(error) !== 'UNIMPLEMENTED') throw error;
      yield await upstream().unary(fallback.rpc, fallback.build(args, caller, parent), scope, timeout);
    }
  };
}
