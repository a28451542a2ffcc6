/**
 * Tells work that nobody waits for it any more. The part of an AbortSignal that the gateway uses: making and listening to a
 * real one costs Node several microseconds and 2 KB, and most requests end without anybody leaving.
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

/** Calls a listener when work is cancelled: at once where it is already. */
export function whenAborted(cancellation: Cancellation, listener: () => void): void {
  if (cancellation.aborted) listener();
  else cancellation.addEventListener('abort', listener, { once: true });
}

/**
 * Aborted with the first of several, for its reason. Its listeners are never removed, so use it for cancellations that end
 * together.
 */
export function firstOf(cancellations: readonly Cancellation[]): Canceller {
  const first = new Canceller();
  for (const each of cancellations) whenAborted(each, () => first.abort(each.reason));
  return first;
}
