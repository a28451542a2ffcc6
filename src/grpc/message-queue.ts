import type { CallEnd } from './status';
import type { CallListener, OpenCall } from './transport/transport';

/** Messages of a stream that have come and were not asked for yet. The call is read only while there are none. */
export class MessageQueue implements CallListener {
  private readonly messages: Buffer[] = [];
  private end: CallEnd | undefined;
  private wake: (() => void) | undefined;

  message(bytes: Buffer): void {
    this.messages.push(bytes);
    this.wake?.();
  }

  ended(end: CallEnd): void {
    this.end = end;
    this.wake?.();
  }

  /** The next message, or how the stream ended. Ask for one at a time. */
  async next(call: OpenCall): Promise<Buffer | CallEnd> {
    if (this.messages.length === 0 && !this.end) {
      call.resume();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
      call.pause();
    }
    // What came before an end counts.
    return this.messages.shift() ?? this.end!;
  }
}
