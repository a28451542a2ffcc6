import { hash } from 'node:crypto';
import type { Exchange } from './exchange';

/** A strong entity tag (RFC 9110, 8.8.3): the same for the same body alone. */
export function entityTag(body: string | Uint8Array): string {
  return `"${hash('sha256', body, 'base64url')}"`;
}

/**
 * True where If-None-Match says that the client has this body already: the answer is 304 (RFC 9110, 13.1.2). Compares weakly,
 * since a proxy that compresses makes the tag a weak one.
 */
export function isKnown(etag: string, headers: Exchange['headers']): boolean {
  const known = headers['if-none-match'];
  if (known === undefined) return false;
  return known.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag);
}
