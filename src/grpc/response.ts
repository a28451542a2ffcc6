import { Status, type CallEnd } from './status';
import { failure } from './transport/limits';
import type { Rpc } from './upstream';

/** A message of a response; or how the call ends where it cannot be read. */
export type Decoded<Response> = { readonly response: Response } | CallEnd;

/** @param maxItems - An answer with more of them is not decoded: it could take all the memory there is. */
export function decode<Response>(rpc: Rpc<never, Response>, bytes: Buffer, maxItems: number): Decoded<Response> {
  if (rpc.hasMoreItems(bytes, maxItems)) {
    const details = `An answer of ${rpc.service}/${rpc.method} has ${bytes.length} bytes with more than ${maxItems} items, which is the most that it may have.`;
    return { ...failure(Status.INTERNAL, details), limit: 'answer_items' };
  }
  try {
    return { response: rpc.decode(bytes) };
  } catch (error) {
    return failure(Status.INTERNAL, `the answer cannot be decoded: ${(error as Error).message}`);
  }
}
