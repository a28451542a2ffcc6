import { Status, type CallEnd } from './status';
import { failure } from './transport/limits';
import type { Rpc } from './upstream';

/** A message of a response; or how the call ends where it cannot be read. */
export type Decoded<Response> = { readonly response: Response } | CallEnd;

export function decode<Response>(rpc: Rpc<never, Response>, bytes: Buffer): Decoded<Response> {
  try {
    return { response: rpc.decode(bytes) };
  } catch (error) {
    return failure(Status.INTERNAL, `the answer cannot be decoded: ${(error as Error).message}`);
  }
}
