import { GatewayError } from '../errors';
import type { Variables } from '../execution/run';
import { placeOf } from '../http/client-address';
import type { Exchange } from '../http/exchange';
import { rateLimitOf, type FieldRateLimit } from '../schema/rate-limit';
import type { ResolverContext } from '../schema/resolver-context';
import { rateLimited, tellQuotas, type RateLimits } from '../session/rate-limits';
import type { OperationPlan } from './operation-plan';

/**
 * Counts an operation against the limits of the fields that it asks for, once for each time that it asks. Fields that the caller
 * may not have do not count. The answer tells where the client stands, by its headers.
 *
 * @returns why fields are refused, by their names; undefined where none is
 */
export async function spendRateLimits(
  plan: OperationPlan,
  context: ResolverContext & { readonly exchange: Exchange },
  variables: Variables,
  rateLimits: Pick<RateLimits, 'spend'>,
): Promise<ReadonlyMap<string, GatewayError> | undefined> {
  const spent = await Promise.all(
    plan
      .limitedFields(variables)
      .filter(({ field }) => !plan.isDenied(field, context))
      .map(({ field, times }) => {
        const rateLimit = rateLimitOf(field)!;
        return rateLimits.spend(rateLimit, keyOf(rateLimit, context), times);
      }),
  );
  if (spent.length === 0) return undefined;
  tellQuotas(context.exchange, spent);
  const over = spent.filter(({ isOver }) => isOver);
  if (over.length === 0) return undefined;
  return new Map(
    over.map((quota) => {
      const { name } = quota.rateLimit;
      return [name, rateLimited(quota, 'rate_limit', `requests for ${name}`)];
    }),
  );
}

/** Who a request counts for. Where nobody is signed in, which a field below a public one may see: its address. */
function keyOf(
  { by }: FieldRateLimit,
  { caller, exchange }: ResolverContext & { readonly exchange: Exchange },
): string {
  if (by === 'ADDRESS' || caller instanceof GatewayError) return `address ${placeOf(exchange.clientAddress)}`;
  return by === 'USER' ? `user ${caller.userId}` : `session ${caller.sessionId}`;
}
