/**
 * What work is told by that nobody waits for it any more: as much of an AbortSignal as it takes. To make an AbortSignal and
 * to listen to it costs Node several microseconds and 2 KB, and most requests are over without anybody having left.
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

/** Aborted when and why the first of several is. For those that end together: it stays with each of them. */
export function firstOf(cancellations: readonly Cancellation[]): Cancellation {
  const first = new Canceller();
  for (const each of cancellations) {
    const abort = (): void => first.abort(each.reason);
    if (each.aborted) abort();
    else each.addEventListener('abort', abort, { once: true });
  }
  return first;
}
