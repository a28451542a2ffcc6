/** Bytes that an answer of an identity provider may have. Metadata take a few KB. */
const maxSize = 256 * 1024;

/**
 * Fetches as `fetch` does, and reads the answer whole.
 *
 * @throws Error for an answer of more than 256 KB, of which no more is read; what `fetch` throws
 */
export async function boundedFetch(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const { status, statusText, headers, body } = response;
  if (!body) return response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > maxSize) throw new Error(`the answer is over ${maxSize} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status, statusText, headers });
}
