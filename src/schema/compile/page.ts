import { GatewayError } from '../../errors';
import type { DecodedMessage } from '../../proto/proto-model';

/**
 * One page of a list, as the fields of a connection read it.
 *
 * @see https://relay.dev/graphql/connections.htm
 */
export class Page {
  constructor(
    readonly response: DecodedMessage,
    readonly items: readonly DecodedMessage[],
    /** The upstream's token of this page; empty for the first. */
    private readonly token: string,
    /** How many items of the upstream's page come before the first one here. */
    private readonly offset: number,
    /** The upstream's token of the next page; empty on the last. */
    private readonly nextToken: string,
    /** True where the upstream's page has more items: the next page then begins within it. */
    private readonly isCut: boolean,
  ) {}

  get hasNextPage(): boolean {
    return this.isCut || this.nextToken !== '';
  }

  get hasPreviousPage(): boolean {
    return this.token !== '' || this.offset > 0;
  }

  /** The cursor of the item at an index: a page `after` it begins right behind. */
  cursor(index: number): string {
    const last = index === this.items.length - 1;
    return last && !this.isCut && this.nextToken !== ''
      ? encodeCursor(this.nextToken, 0)
      : encodeCursor(this.token, this.offset + index + 1);
  }

  /** `nextPageToken` for clients that page by token. */
  get nextPageToken(): string | null {
    if (this.isCut) return this.cursor(this.items.length - 1);
    return this.nextToken === '' ? null : encodeCursor(this.nextToken, 0);
  }
}

/** The size of a page where the client does not say. */
const defaultFirst = 25;

/**
 * How many items a page has at most.
 *
 * @param first - The argument, coerced.
 * @param max - As @connection says.
 */
export function pageSize(first: unknown, max: number): number {
  return Math.min(typeof first === 'number' ? Math.max(0, first) : defaultFirst, max);
}

/** Where a page begins: the upstream's page token, and how many items of that page to skip. */
export interface Position {
  readonly token: string;
  readonly offset: number;
}

export const firstPage: Position = { token: '', offset: 0 };

function encodeCursor(token: string, offset: number): string {
  return Buffer.from(`${offset}:${token}`).toString('base64url');
}

export function decodeCursor(cursor: string): Position {
  const match = /^(\d{1,5}):([^]*)$/.exec(Buffer.from(cursor, 'base64url').toString());
  const offset = Number(match?.[1]);
  if (!match || encodeCursor(match[2] ?? '', offset) !== cursor) {
    throw new GatewayError('BAD_USER_INPUT', 'after is not a cursor of this list.', {
      fieldViolations: [{ field: 'after', description: 'is not a cursor of this list' }],
    });
  }
  return { token: match[2] ?? '', offset };
}

/** The fields of `PageInfo`. */
export function pageInfoOf(page: Page): Record<string, unknown> {
  const { length } = page.items;
  return {
    hasNextPage: page.hasNextPage,
    hasPreviousPage: page.hasPreviousPage,
    startCursor: length > 0 ? page.cursor(0) : null,
    endCursor: length > 0 ? page.cursor(length - 1) : null,
  };
}
