/*
 * Frames of HTTP/2, written and read (RFC 9113, 4 and 6).
 */

/** Error codes (RFC 9113, 7). */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
} as const;

/** Frame types (RFC 9113, 6). */
export const Frame = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Flags of frames; what one says depends on the frame's type (6). */
export const Flag = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** Settings (RFC 9113, 6.5.2). */
export const Setting = {
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Bytes of what every frame begins with (4.1). */
export const frameHeadSize = 9;
/** What either side may send in a frame unless the other allows more (RFC 9113, 6.5.2). Here that is not done. */
export const maxFrameSize = 16_384;

/** The server does what the protocol does not allow: the connection ends with this code. */
export class ConnectionError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** What most of that is. */
export function violation(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, message);
}

/**
 * Writes what a frame begins with (4.1).
 *
 * @param length - Bytes of the payload.
 * @param id - Of the stream; 0 for the connection.
 */
export function writeHead(bytes: Buffer, at: number, length: number, type: number, flags: number, id: number): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes.writeUInt32BE(id, at + 5);
}

/** A whole frame. */
export function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeadSize + payload.length);
  writeHead(bytes, 0, payload.length, type, flags, id);
  bytes.set(payload, frameHeadSize);
  return bytes;
}

/** A frame whose payload is a number of 32 bits. */
export function wordFrame(type: number, id: number, value: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value, 0);
  return frame(type, 0, id, payload);
}

/** GOAWAY (6.8) of one who was sent no streams. */
export function goAway(code: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(code, 4);
  return frame(Frame.GOAWAY, 0, 0, payload);
}

/**
 * The number of 32 bits that is all of a payload.
 *
 * @throws ConnectionError FRAME_SIZE_ERROR for a payload of another size
 */
export function word(payload: Buffer): number {
  if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a frame is not of 4 bytes');
  return payload.readUInt32BE(0);
}

/**
 * The payload of a frame with the flag PADDED, without its padding (6.1).
 *
 * @throws ConnectionError PROTOCOL_ERROR for padding that leaves nothing
 */
export function unpadded(payload: Buffer): Buffer {
  const padding = payload[0] ?? Infinity;
  if (padding >= payload.length) throw violation('a frame is nothing but padding');
  return payload.subarray(1, payload.length - padding);
}

/** SETTINGS (6.5). */
export function settings(values: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(6 * values.length);
  for (const [index, [setting, value]] of values.entries()) {
    payload.writeUInt16BE(setting, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(Frame.SETTINGS, 0, 0, payload);
}
