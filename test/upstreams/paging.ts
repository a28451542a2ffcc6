/** Development only. Pages of a sorted list, with tokens that callers cannot read and servers check. */
import { createHash } from 'node:crypto';
import { invalidArgument } from './rpc-error';

const defaultPageSize = 25;
const maxPageSize = 100;

/** The paging fields that every list request has. */
export interface PageRequest {
  pageSize: number;
  pageToken: string;
}

/** A list that can be paged through. */
export interface Pageable<T> {
  /** In the order of their keys. */
  items: readonly T[];
  /** Unique, and stable while the list changes, so that a page begins right even where items came or went. */
  keyOf(item: T): string;
  /** Whether an item comes later than the key where the last page ended. */
  isAfter(key: string, lastKey: string): boolean;
  /** What the list was asked for, such as its filters: a token is good only with the same. */
  scope: string;
}

/** Takes the page that a request asks for. INVALID_ARGUMENT for a negative size or a token that was not given out. */
export function takePage<T>(list: Pageable<T>, request: PageRequest): { page: T[]; nextPageToken: string } {
  if (request.pageSize < 0) throw invalidArgument({ field: 'page_size', description: 'must not be negative' });
  const size = Math.min(request.pageSize || defaultPageSize, maxPageSize);
  const lastKey = request.pageToken === '' ? undefined : readToken(request.pageToken, list.scope);
  const rest = lastKey === undefined ? list.items : list.items.filter((it) => list.isAfter(list.keyOf(it), lastKey));
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const more = last !== undefined && rest.length > page.length;
  return { page, nextPageToken: more ? writeToken(list.keyOf(last), list.scope) : '' };
}

function writeToken(lastKey: string, scope: string): string {
  return Buffer.from(JSON.stringify([checksum(lastKey, scope), lastKey])).toString('base64url');
}

function readToken(token: string, scope: string): string {
  try {
    const content: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(content)) {
      const [sum, lastKey] = content as unknown[];
      if (typeof lastKey === 'string' && sum === checksum(lastKey, scope)) return lastKey;
    }
  } catch {
    // Not JSON: refused below, like every other token that was not given out here.
  }
  throw invalidArgument({ field: 'page_token', description: 'is not a token of this list with these filters' });
}

function checksum(lastKey: string, scope: string): string {
  return createHash('sha256').update(`${scope}\n${lastKey}`).digest('base64url').slice(0, 16);
}
