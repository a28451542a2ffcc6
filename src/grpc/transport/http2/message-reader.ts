import { Status } from '../../status';

/** Writes a Length-Prefixed-Message: a byte that says "not compressed", the length, the message. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** What a {@link MessageReader} reads for. */
export interface MessageListener {
  message(bytes: Buffer): void;
  /** The bytes are no messages, or too large a one. Nothing more of them may be read. */
  fail(code: Status, details: string): void;
}

/** Takes messages out of the body of a response. */
export class MessageReader {
  /**
   * The beginning of a message whose rest has not come yet. Copied, since chunks may be of a byte each and a slice keeps the
   * whole chunk in memory.
   */
  private kept = nothing;
  /** Bytes in {@link kept}. */
  private size = 0;
  /** Bytes that must be there before the next message can be taken. */
  private needed = 5;

  constructor(
    private readonly maxSize: number,
    private readonly listener: MessageListener,
  ) {}

  get isWithinMessage(): boolean {
    return this.size > 0;
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.size > 0) {
      this.keep(chunk);
      bytes = this.kept.subarray(0, this.size);
    }
    if (bytes.length >= this.needed) this.take(bytes);
    else if (this.size === 0) this.keep(bytes);
  }

  /** Takes all messages that are whole, and keeps the rest. */
  private take(bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= 5) {
      if (bytes[at] !== 0) {
        this.listener.fail(Status.INTERNAL, 'a message is compressed, which was not offered');
        return;
      }
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.maxSize) {
        // Not RESOURCE_EXHAUSTED, as others have it: to callers that is a quota of theirs.
        this.listener.fail(Status.INTERNAL, `a message of ${length} bytes is over ${this.maxSize} bytes`);
        return;
      }
      const end = at + 5 + length;
      if (bytes.length < end) break;
      this.listener.message(bytes.subarray(at + 5, end));
      at = end;
    }
    const rest = bytes.subarray(at);
    this.needed = rest.length < 5 ? 5 : 5 + rest.readUInt32BE(1);
    // A new buffer next time: the messages that were taken are slices of this one.
    this.kept = nothing;
    this.size = 0;
    if (rest.length > 0) this.keep(rest);
  }

  private keep(chunk: Buffer): void {
    const size = this.size + chunk.length;
    if (size > this.kept.length) {
      // Doubled, so that bytes are copied a few times at most; never as large as the frame says before as much has come.
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(2 * size, this.needed)));
      larger.set(this.kept.subarray(0, this.size));
      this.kept = larger;
    }
    this.kept.set(chunk, this.size);
    this.size = size;
  }
}

const nothing: Buffer = Buffer.alloc(0);
