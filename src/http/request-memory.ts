/**
 * Bytes of each request, head and body, that do not count toward the budget: small requests are served whatever large ones take.
 */
export const freeSize = 8 * 1024;

/** The one budget for what clients have sent and is still held: heads and bodies, finished or not. */
export class RequestMemory {
  /** Bytes of requests that have not ended. */
  private held = 0;
  /** Bytes of heads that have come in part; measured from time to time. */
  unfinished = 0;

  /** @param max - Bytes beyond {@link freeSize} of each request. */
  constructor(readonly max: number) {}

  /** Bytes that are left. Negative where unfinished heads take more than there is. */
  get left(): number {
    return this.max - this.held - this.unfinished;
  }

  /** False where there are not as many bytes left. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }
}

/** What one request holds of the budget. */
export class RequestHolding {
  private size = 0;
  private held = 0;

  constructor(private readonly memory: RequestMemory) {}

  /** The request has become larger by so many bytes. False where there is no room for them: they do not count then. */
  grow(bytes: number): boolean {
    const size = this.size + bytes;
    const more = Math.max(0, size - freeSize) - this.held;
    if (more > 0 && !this.memory.take(more)) return false;
    this.size = size;
    this.held += Math.max(0, more);
    return true;
  }

  /** To be called once, when nothing of the request is left. */
  release(): void {
    if (this.held > 0) this.memory.give(this.held);
  }
}
