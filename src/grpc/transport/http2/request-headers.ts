import type { CallRequest } from '../transport';
import { encodeHeader, encodePrivateName, encodeString } from './hpack';

/** Writes the header blocks of the requests to one target, as text of one byte each character. */
export class RequestHeaders {
  /** What the calls of a method begin with, by its path. Paths come from protos, so that they are few. */
  private readonly heads = new Map<string, string>();

  constructor(
    private readonly authority: string,
    private readonly scheme: 'http' | 'https',
  ) {}

  /** All but the timeout, which is another one for each attempt: {@link encodeTimeout} goes behind it. */
  encode({ path, metadata }: CallRequest): string {
    let headers = this.heads.get(path) ?? this.addHead(path);
    for (const pair of metadata) headers += encodedName(pair[0]) + encodeString(pair[1]);
    return headers;
  }

  private addHead(path: string): string {
    const head =
      encodeHeader(':method', 'POST') +
      encodeHeader(':scheme', this.scheme) +
      encodeHeader(':authority', this.authority) +
      encodeHeader(':path', path) +
      encodeHeader('te', 'trailers') +
      encodeHeader('content-type', 'application/grpc+proto') +
      encodeHeader('user-agent', 'api-gateway') +
      encodeHeader('grpc-accept-encoding', 'identity');
    this.heads.set(path, head);
    return head;
  }
}

/** Names of metadata as they are written. The gateway sets a fixed set of names; no client adds any. */
const names = new Map<string, string>();

function encodedName(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const encoded = encodePrivateName(name);
  names.set(name, encoded);
  return encoded;
}

const timeoutName = encodePrivateName('grpc-timeout');

/** `grpc-timeout`: at most eight digits and their unit (gRPC over HTTP/2, "Timeout"). */
export function encodeTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return timeoutName + encodeString(whole < 100_000_000 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`);
}
