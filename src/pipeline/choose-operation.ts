import { GatewayError } from '../errors';
import type { PreparedDocument } from './documents';
import type { OperationPlan } from './operation-plan';

/** What the door that an operation came through allows. */
export interface AllowedOperations {
  /** True for a method that must not change anything, such as GET. */
  readonly safe: boolean;
  /** True where the client takes a stream. */
  readonly streams: boolean;
}

/**
 * The operation of a valid document that a request names, or the only one there is.
 *
 * @param name - `operationName` of the request.
 * @throws GatewayError BAD_USER_INPUT where no single operation is meant; METHOD_NOT_ALLOWED for a mutation or subscription
 * by a safe method; NOT_ACCEPTABLE for a subscription whose client takes no stream
 */
export function chooseOperation(
  { plans }: PreparedDocument,
  name: string | null | undefined,
  allowed: AllowedOperations,
): OperationPlan {
  const plan = findPlan(plans, name);
  const { operation: type } = plan.operation;
  if (allowed.safe && type !== 'query') {
    throw new GatewayError('METHOD_NOT_ALLOWED', `A ${type} is sent by POST.`, { headers: { allow: 'POST' } });
  }
  if (type === 'subscription' && !allowed.streams) {
    throw new GatewayError(
      'NOT_ACCEPTABLE',
      'A subscription is answered as text/event-stream, which Accept must allow.',
    );
  }
  return plan;
}

function findPlan(plans: readonly OperationPlan[], name: string | null | undefined): OperationPlan {
  const named = name ? plans.filter(({ operation }) => operation.name?.value === name) : plans;
  const [plan] = named;
  if (plan && named.length === 1) return plan;
  if (plan) {
    throw new GatewayError('BAD_USER_INPUT', 'The document has several operations; operationName must name one.');
  }
  throw new GatewayError(
    'BAD_USER_INPUT',
    name ? 'The document has no operation of the name that operationName gives.' : 'The document has no operation.',
  );
}
