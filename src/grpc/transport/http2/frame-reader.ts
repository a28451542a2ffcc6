import {
  ConnectionError,
  ErrorCode,
  Flag,
  Frame,
  frameHeadSize,
  maxFrameSize,
  unpadded,
  violation,
  word,
} from './frames';

/** Hears frames that are valid by themselves; what they mean for the streams is for the listener. */
export interface FrameListener {
  /** Once true, no more frames are read. */
  readonly isOver: boolean;
  /** @param flowSize - Bytes that count against the windows, padding included. */
  onData(id: number, chunk: Buffer, flowSize: number, isLast: boolean): void;
  /** @param block - Whole, however many frames it came in. */
  onHeaders(id: number, block: Buffer, isLast: boolean): void;
  onReset(id: number, code: number): void;
  onSettings(settings: readonly (readonly [setting: number, value: number])[]): void;
  onPing(payload: Buffer, isAnswer: boolean): void;
  onGoAway(lastId: number, code: number, debug: string): void;
  /** @param id - 0 for the connection. */
  onWindowUpdate(id: number, increment: number): void;
  /**
   * A frame that says nothing, or goes on with what another has begun.
   *
   * @param size - Bytes of its payload that are of no use.
   */
  onIdle(size: number): void;
}

const maxHeaderFrames = 16;

/** Takes the frames of a server out of the bytes of a connection (RFC 9113, 4 and 6). */
export class FrameReader {
  /** The beginning of a frame whose rest has not come yet. */
  private input: Buffer | undefined;
  /** A header block that goes on in CONTINUATION frames. */
  private partial: { readonly id: number; readonly isLast: boolean; readonly parts: Buffer[] } | undefined;
  private hasSettings = false;

  constructor(private readonly listener: FrameListener) {}

  /** @throws ConnectionError for what no server may send */
  read(chunk: Buffer): void {
    const bytes = this.input ? Buffer.concat([this.input, chunk]) : chunk;
    this.input = undefined;
    let at = 0;
    while (bytes.length - at >= frameHeadSize) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      if (!this.hasSettings && (type !== Frame.SETTINGS || (flags & Flag.ACK) !== 0)) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'the server does not speak HTTP/2');
      }
      if (length > maxFrameSize) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a frame is too large');
      const start = at + frameHeadSize;
      const end = start + length;
      if (bytes.length < end) break;
      const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.handle(type, flags, id, bytes.subarray(start, end));
      if (this.listener.isOver) return;
      at = end;
    }
    if (at < bytes.length) this.input = bytes.subarray(at);
  }

  private handle(type: number, flags: number, id: number, payload: Buffer): void {
    const { partial } = this;
    if (partial && (type !== Frame.CONTINUATION || id !== partial.id)) {
      throw violation('a header block is interrupted');
    }
    switch (type) {
      case Frame.DATA: {
        const chunk = flags & Flag.PADDED ? unpadded(payload) : payload;
        this.listener.onData(id, chunk, payload.length, (flags & Flag.END_STREAM) !== 0);
        break;
      }
      case Frame.HEADERS:
        this.readHeaders(flags, id, payload);
        break;
      case Frame.CONTINUATION:
        this.readContinuation(flags, payload);
        break;
      case Frame.RST_STREAM:
        this.listener.onReset(id, word(payload));
        break;
      case Frame.SETTINGS:
        ofConnection(id);
        this.readSettings(flags, payload);
        break;
      case Frame.PUSH_PROMISE:
        throw violation('a push was not asked for');
      case Frame.PING:
        ofConnection(id);
        if (payload.length !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a ping is not of 8 bytes');
        this.listener.onPing(payload, (flags & Flag.ACK) !== 0);
        break;
      case Frame.GOAWAY:
        ofConnection(id);
        if (payload.length < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a GOAWAY breaks off');
        this.listener.onGoAway(
          payload.readUInt32BE(0) & 0x7fff_ffff,
          payload.readUInt32BE(4),
          payload.toString('latin1', 8),
        );
        break;
      case Frame.WINDOW_UPDATE:
        this.listener.onWindowUpdate(id, word(payload) & 0x7fff_ffff);
        break;
      default:
        // PRIORITY among others: to be ignored (4.1).
        this.listener.onIdle(payload.length);
    }
  }

  private readHeaders(flags: number, id: number, payload: Buffer): void {
    let block = flags & Flag.PADDED ? unpadded(payload) : payload;
    if (flags & Flag.PRIORITY) {
      if (block.length < 5) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a priority breaks off');
      block = block.subarray(5);
    }
    const isLast = (flags & Flag.END_STREAM) !== 0;
    if (flags & Flag.END_HEADERS) this.listener.onHeaders(id, block, isLast);
    else this.partial = { id, isLast, parts: [block] };
  }

  private readContinuation(flags: number, payload: Buffer): void {
    const { partial } = this;
    if (!partial) throw violation('a header block goes on that was not begun');
    this.listener.onIdle(0);
    partial.parts.push(payload);
    if (partial.parts.length > maxHeaderFrames) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'the headers are too long');
    }
    if (!(flags & Flag.END_HEADERS)) return;
    this.partial = undefined;
    this.listener.onHeaders(partial.id, Buffer.concat(partial.parts), partial.isLast);
  }

  private readSettings(flags: number, payload: Buffer): void {
    if (flags & Flag.ACK) {
      if (payload.length > 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'settings are no settings');
      this.listener.onIdle(0);
      return;
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'settings break off');
    this.hasSettings = true;
    const settings: [setting: number, value: number][] = [];
    for (let at = 0; at < payload.length; at += 6) {
      settings.push([payload.readUInt16BE(at), payload.readUInt32BE(at + 2)]);
    }
    this.listener.onSettings(settings);
  }
}

/** @throws ConnectionError for a frame of the connection with the id of a stream */
function ofConnection(id: number): void {
  if (id !== 0) throw violation('a frame of the connection is for a stream');
}
