import type { IncomingMessage } from 'node:http';

/** Bytes that a header takes in memory beside its text, about. */
const bytesPerLine = 64;

/** How large a head is. */
export interface HeadSize {
  /** Bytes on the wire, about. */
  readonly sent: number;
  /** Bytes in memory, about. */
  readonly held: number;
}

export function sizeOfHead({ method = '', url = '', rawHeaders }: IncomingMessage): HeadSize {
  // Spaces, version and line ends of the first line, and the empty line.
  let sent = method.length + url.length + 14;
  // Name and value in turn; colon, space and line end between.
  for (const text of rawHeaders) sent += text.length + 2;
  return { sent, held: sent + (rawHeaders.length / 2) * bytesPerLine };
}
