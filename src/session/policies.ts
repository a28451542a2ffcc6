import { GatewayError } from '../errors';
import { isSpent, timeIsUp, type CallScope } from '../grpc/upstream';
import type { AuthService } from './auth-service';
import { authUnavailable } from './session-errors';

/** Asks AuthService what a user may do. */
export interface Policies {
  /**
   * Asks about permissions, all at once. Never throws.
   *
   * @returns by permission: the answer; or AUTH_UNAVAILABLE where there is none, GATEWAY_TIMEOUT where the scope's time is up, and
   * the reason of its signal.
   */
  ask(
    permissions: readonly string[],
    userId: string,
    scope: CallScope,
  ): Promise<ReadonlyMap<string, boolean | GatewayError>>;
}

/** Undefined where the schema has no @policy. */
export function createPolicies({ checkPermission }: Pick<AuthService, 'checkPermission'>): Policies | undefined {
  if (!checkPermission) return undefined;

  const answerTo = async (permission: string, userId: string, scope: CallScope): Promise<boolean | GatewayError> => {
    try {
      return await checkPermission(userId, permission, scope);
    } catch (error) {
      const reason = scope.signal?.aborted ? scope.signal.reason : undefined;
      if (reason instanceof GatewayError) return reason;
      return isSpent(scope) ? timeIsUp(scope) : authUnavailable(error);
    }
  };

  return {
    async ask(permissions, userId, scope) {
      return new Map(
        await Promise.all(permissions.map(async (each) => [each, await answerTo(each, userId, scope)] as const)),
      );
    },
  };
}
