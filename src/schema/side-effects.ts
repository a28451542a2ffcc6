import type { ConstDirectiveNode } from 'graphql';
import type { Method } from 'protobufjs';
import type { Findings } from '../diagnostics/findings';
import type { ResolvedRpc } from './services';

/** A finding where a field that is not a mutation calls an RPC with side effects: queries may come by GET, and twice. */
export function checkSideEffects(
  coordinate: string,
  directive: ConstDirectiveNode,
  { method, upstream }: ResolvedRpc,
  findings: Findings,
  instead = 'Make it a field of Mutation',
): void {
  if (!hasSideEffects(method, upstream.service.methodsArray)) return;
  findings.at(
    directive,
    `${coordinate} calls ${method.name}, which has side effects`,
    `${instead}, or set idempotency_level = NO_SIDE_EFFECTS in the proto where that is true.`,
  );
}

/**
 * Whether an RPC may change something: by its idempotency_level, else by the HTTP verb of its google.api.http. Where a
 * service sets neither on any RPC, none of them is assumed to.
 *
 * @param all - The RPCs of its service.
 */
export function hasSideEffects(method: Method, all: readonly Method[]): boolean {
  const level = (each: Method): unknown => each.getOption('idempotency_level');
  if (level(method) !== undefined) return level(method) !== 'NO_SIDE_EFFECTS';
  const verbs = Object.keys(method.options ?? {}).flatMap(
    (name) => /^\(google\.api\.http\)\.(\w+)$/.exec(name)?.[1] ?? [],
  );
  if (verbs.includes('get')) return false;
  return (
    verbs.some((verb) => ['post', 'put', 'patch', 'delete'].includes(verb)) ||
    all.some((each) => level(each) !== undefined)
  );
}
