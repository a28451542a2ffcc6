import { longestTimer } from '../config/duration';
import { abortReason, timeIsUp, type CallScope } from '../grpc/upstream';

/**
 * Waits for work that several callers share. A caller whose signal aborts or whose deadline passes stops waiting; the work
 * goes on.
 *
 * @throws GatewayError the signal's reason, or GATEWAY_TIMEOUT once the deadline has passed.
 */
export function waitFor<T>(
  work: Promise<T>,
  scope: Pick<CallScope, 'signal' | 'deadline' | 'clientDeadline'>,
): Promise<T> {
  const { signal, deadline } = scope;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => settle(() => signal && reject(abortReason(signal)));
    const onTimeout = (): void => settle(() => reject(timeIsUp(scope)));
    const timer = setTimeout(onTimeout, Math.min(Math.max(deadline - Date.now(), 0), longestTimer));
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      how();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    work.then(
      (value) => settle(() => resolve(value)),
      (error: Error) => settle(() => reject(error)),
    );
    if (signal?.aborted) onAbort();
  });
}
