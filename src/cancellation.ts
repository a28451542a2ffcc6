/**
 * What work is told by that nobody waits for it any more: as much of an AbortSignal as it takes. To make an AbortSignal and
 * to listen to it costs Node several microseconds, and most requests are over without anybody having left.
 */
export interface Cancellation {
  readonly aborted: boolean;
  /** Why; undefined until then. */
  readonly reason: unknown;
  /** @param listener - Called once, when it is aborted; never where it is already. */
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** A {@link Cancellation} with its trigger. */
export class Canceller implements Cancellation {
  aborted = false;
  reason: unknown = undefined;
  private listeners: Set<() => void> | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.aborted) (this.listeners ??= new Set()).add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.listeners?.delete(listener);
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.listeners ?? []) listener();
    this.listeners = undefined;
  }
}

/** An AbortSignal that is aborted when and why the cancellation is. */
export function signalOf(cancellation: Cancellation): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(cancellation.reason);
  if (cancellation.aborted) abort();
  else cancellation.addEventListener('abort', abort, { once: true });
  return controller.signal;
}
