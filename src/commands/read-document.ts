import { createReadStream, statSync } from 'node:fs';
import { CannotRun } from './folders';

/** Bytes of a document, at most. */
const maxSize = 16 * 1024 * 1024;

/** Ms until a server must have answered whole. */
const timeout = 30_000;

/**
 * Reads a JSON document.
 *
 * @param source - A file, `-` for standard input, or an http(s) URL.
 * @throws CannotRun where the source is missing, larger than 16 MB, or not JSON in UTF-8
 */
export async function readDocument(source: string, stdin: AsyncIterable<Uint8Array>): Promise<unknown> {
  const text = await readText(source, stdin);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CannotRun(
      `${nameOfSource(source)} is not JSON: ${(error as Error).message}. From npm run it is with -s alone`,
    );
  }
}

async function readText(source: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    const bytes = await collect(await open(source, stdin), source);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof CannotRun) throw error;
    // The reason of a failed fetch is in its cause. If all addresses of a host failed, the cause has only a code.
    const { message, cause } = error as Error & {
      readonly cause?: { readonly message: string; readonly code?: string };
    };
    const reason = cause ? `: ${cause.message || cause.code}` : '';
    throw new CannotRun(`${nameOfSource(source)} cannot be read: ${message}${reason}`);
  }
}

async function open(source: string, stdin: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  if (source === '-') return stdin;
  if (!/^https?:\/\//.test(source)) {
    if (statSync(source).isDirectory()) throw new CannotRun(`${source} is a folder`);
    return createReadStream(source);
  }
  const { status, body } = await fetch(source, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeout),
  });
  if (status === 200 && body) return body;
  await body?.cancel();
  throw new CannotRun(`${source} answers ${status}, and not 200`);
}

async function collect(chunks: AsyncIterable<Uint8Array>, source: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.byteLength;
    if (size > maxSize) throw new CannotRun(`${nameOfSource(source)} is over ${maxSize / 1024 / 1024} MB`);
  }
  return Buffer.concat(parts);
}

/** What messages call a source. */
export function nameOfSource(source: string): string {
  return source === '-' ? 'standard input' : source;
}
