import type { IncomingMessage } from 'node:http';
import type { Cancellation } from '../cancellation';
import { GatewayError, toGatewayError, overloaded } from '../errors';
import type { RequestHolding } from './request-memory';

/** Bytes of the longest body that is read. */
const maxSize = 1024 * 1024;

/**
 * Reads a body whole. After an error, the rest of it is dropped.
 *
 * @param holding - Of the budget; what the body takes of it is held beyond the end of the body, since what was read lives on.
 * @throws GatewayError PAYLOAD_TOO_LARGE for more than 1 MB; OVERLOADED while other requests take all the memory; the reason of
 * the cancellation
 */
export function readBody(
  request: IncomingMessage,
  cancellation: Cancellation,
  holding: Pick<RequestHolding, 'grow'>,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let body: Buffer | undefined;
    let size = 0;
    let isOver = false;
    const refuse = (error: GatewayError): void => {
      isOver = true;
      body = undefined;
      reject(error);
    };
    // If the body breaks off, the client has left. node:http does not always emit that on the request, so the cancellation counts.
    const breakOff = (): void => refuse(toGatewayError(cancellation.reason));
    if (cancellation.aborted) breakOff();
    cancellation.addEventListener('abort', breakOff);
    // node:http reads and drops the body, so that the client gets to read the response.
    if (Number(request.headers['content-length'] ?? 0) > maxSize) refuse(tooLarge());
    if (isOver) return;
    request.on('data', (chunk: Buffer) => {
      if (isOver) return;
      const end = size + chunk.length;
      const capacity = body?.length ?? 0;
      const needed = end <= capacity ? capacity : capacityFor(body, end);
      if (end > maxSize) {
        refuse(tooLarge());
      } else if (!holding.grow(needed - capacity)) {
        refuse(overloaded('body_memory'));
      } else {
        body = append(body, size, chunk, needed);
        size = end;
      }
    });
    request.on('end', () => {
      if (isOver) return;
      isOver = true;
      resolve((body ?? empty).subarray(0, size));
    });
  });
}

function tooLarge(): GatewayError {
  return new GatewayError('PAYLOAD_TOO_LARGE', undefined, { limit: 'body_size' });
}

const empty = Buffer.alloc(0);

/** Bytes of the buffer that a body of `size` bytes is kept in. Most bodies are one chunk, which is kept as it is. */
function capacityFor(buffer: Buffer | undefined, size: number): number {
  return buffer ? Math.max(size, Math.min(maxSize, 2 * buffer.length)) : size;
}

/**
 * Appends a chunk to the first `size` bytes of a buffer, which grows by doubling. To keep the chunks would take hundreds of bytes
 * for each, and a client may send one byte at a time.
 */
function append(buffer: Buffer | undefined, size: number, chunk: Buffer, capacity: number): Buffer {
  if (!buffer) return chunk;
  let into = buffer;
  if (capacity > into.length) {
    into = Buffer.allocUnsafe(capacity);
    buffer.copy(into, 0, 0, size);
  }
  chunk.copy(into, size);
  return into;
}
