/** What a request is for. */
export interface RequestTarget {
  /** Percent-encoded, without the query. */
  readonly path: string;
  /** Without the question mark; empty where there is none. */
  readonly query: string;
}

/** The scheme and authority of the absolute form, and what stands behind them. */
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;

/**
 * Reads a request target (RFC 9112, 3.2). Clients that take the gateway for a proxy send a whole URI; its path counts.
 *
 * @param url - As node:http has it.
 */
export function readTarget(url: string): RequestTarget {
  // 47 is "/".
  const origin = url.charCodeAt(0) === 47 ? url : withoutAuthority(url);
  const mark = origin.indexOf('?');
  if (mark < 0) return { path: origin, query: '' };
  return { path: origin.slice(0, mark), query: origin.slice(mark + 1) };
}

/** The authority of a target in absolute form; undefined where it has another form. */
export function authorityOf(url: string): string | undefined {
  return url.charCodeAt(0) === 47 ? undefined : absoluteForm.exec(url)?.[1];
}

function withoutAuthority(url: string): string {
  const match = absoluteForm.exec(url);
  if (!match) return url;
  const rest = match[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
