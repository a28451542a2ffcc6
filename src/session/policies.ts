import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
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

/** Undefined where AuthService was not made to be asked. */
export function createPolicies({ checkPermission }: Pick<AuthService, 'checkPermission'>): Policies | undefined {
  if (!checkPermission) return undefined;

  async function answerTo(permission: string, userId: string, scope: CallScope): Promise<boolean | GatewayError> {
    try {
      return (await checkPermission?.(userId, permission, scope)) ?? false;
    } catch (error) {
      const reason = scope.signal?.aborted ? scope.signal.reason : undefined;
      if (reason instanceof GatewayError) return reason;
      return Date.now() >= scope.deadline ? new GatewayError('GATEWAY_TIMEOUT') : authUnavailable(error);
    }
  }

  return {
    async ask(permissions, userId, scope) {
      const answers = await Promise.all(permissions.map((permission) => answerTo(permission, userId, scope)));
      return new Map(permissions.map((permission, index) => [permission, answers[index] ?? false]));
    },
  };
}
