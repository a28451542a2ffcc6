import type { IncomingMessage } from 'node:http';
import type { Cancellation } from '../cancellation';
import { GatewayError, toGatewayError } from '../errors';

/** Bytes of the longest body that is read. */
const maxSize = 1024 * 1024;
/** Bytes of each body that do not count toward the limit below, so that small bodies are read whatever large ones take. */
const freeSize = 16 * 1024;
/** Bytes that all unfinished bodies may hold together, beyond {@link freeSize} each. */
const maxHeld = 48 * 1024 * 1024;

/** Reads the bodies of all requests, in bounded memory. */
export class Bodies {
  private held = 0;

  /**
   * Reads a body whole. After an error, the rest of it is dropped.
   *
   * @throws GatewayError PAYLOAD_TOO_LARGE for more than 1 MB; OVERLOADED while other large bodies take all the memory; the
   * reason of the cancellation
   */
  read(request: IncomingMessage, cancellation: Cancellation): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let body: Buffer | undefined;
      let size = 0;
      let held = 0;
      let isOver = false;
      const end = (): void => {
        isOver = true;
        this.held -= held;
        held = 0;
      };
      const refuse = (error: GatewayError): void => {
        end();
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
        const more = Math.max(0, size + chunk.length - freeSize) - held;
        if (size + chunk.length > maxSize) {
          refuse(tooLarge());
        } else if (this.held + more > maxHeld) {
          refuse(new GatewayError('OVERLOADED', undefined, { retryAfter: 1, limit: 'body_memory' }));
        } else {
          held += more;
          this.held += more;
          body = append(body, size, chunk);
          size += chunk.length;
        }
      });
      request.on('end', () => {
        if (isOver) return;
        end();
        resolve((body ?? empty).subarray(0, size));
      });
    });
  }
}

function tooLarge(): GatewayError {
  return new GatewayError('PAYLOAD_TOO_LARGE', undefined, { limit: 'body_size' });
}

const empty = Buffer.alloc(0);

/**
 * Appends a chunk to the first `size` bytes of a buffer, which grows by doubling. To keep the chunks would take hundreds of bytes
 * for each, and a client may send one byte at a time.
 */
function append(buffer: Buffer | undefined, size: number, chunk: Buffer): Buffer {
  // Most bodies are one chunk.
  if (!buffer) return chunk;
  let into = buffer;
  if (size + chunk.length > into.length) {
    into = Buffer.allocUnsafe(Math.max(2 * size, size + chunk.length));
    buffer.copy(into, 0, 0, size);
  }
  chunk.copy(into, size);
  return into;
}
