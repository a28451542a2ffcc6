import type { IncomingMessage } from 'node:http';
import type { Cancellation } from '../cancellation';
import { GatewayError, toGatewayError } from '../errors';

/** Bytes of a body, at most. */
const maxSize = 1024 * 1024;
/** Bytes of each body that do not count: hardly any body has more, and those that do not must not suffer from the others. */
const freeSize = 16 * 1024;
/** Bytes of all bodies beyond these, at most, of which the end has not come yet. */
const maxHeld = 48 * 1024 * 1024;

/** Reads the bodies of all requests, in bounded memory. */
export class Bodies {
  private held = 0;

  /**
   * Reads a body whole. What comes of it after an error is dropped.
   *
   * @throws GatewayError PAYLOAD_TOO_LARGE for more than 1 MB; OVERLOADED where too many large bodies are under way; the
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
      // A body that breaks off is the client leaving. node:http does not always say so on the request itself.
      const breakOff = (): void => refuse(toGatewayError(cancellation.reason));
      if (cancellation.aborted) breakOff();
      cancellation.addEventListener('abort', breakOff);
      // It is read and dropped by node:http, so that the client gets to read the answer.
      if (Number(request.headers['content-length'] ?? 0) > maxSize) refuse(new GatewayError('PAYLOAD_TOO_LARGE'));
      if (isOver) return;
      request.on('data', (chunk: Buffer) => {
        if (isOver) return;
        const more = Math.max(0, size + chunk.length - freeSize) - held;
        if (size + chunk.length > maxSize) {
          refuse(new GatewayError('PAYLOAD_TOO_LARGE'));
        } else if (this.held + more > maxHeld) {
          refuse(new GatewayError('OVERLOADED', undefined, { retryAfter: 1 }));
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

const empty = Buffer.alloc(0);

/**
 * Adds to the first bytes of a buffer. A buffer for each chunk would take hundreds of bytes where a client sends one byte at a
 * time.
 */
function append(buffer: Buffer | undefined, size: number, chunk: Buffer): Buffer {
  // Most bodies come in one.
  if (!buffer) return chunk;
  let into = buffer;
  if (size + chunk.length > into.length) {
    into = Buffer.allocUnsafe(Math.max(2 * size, size + chunk.length));
    buffer.copy(into, 0, 0, size);
  }
  chunk.copy(into, size);
  return into;
}
