import { createHash } from 'node:crypto';
import { errorHeaders, type GatewayError } from '../errors';
import type { Exchange, Reply } from '../http/exchange';
import { escapeHtml } from '../pages/html';

/** Where a user can go from the page: places that sign-in may lead to. */
export interface WaysOn {
  /** Starts another sign-in; undefined where there is no such provider. */
  readonly again: string | undefined;
  readonly back: string;
}

const style =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}small{opacity:.7}';
const styleHash = createHash('sha256').update(style).digest('base64');

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The page that says that signing in did not work. It loads no script, font or image. */
export function failurePage(error: GatewayError, exchange: Pick<Exchange, 'id'>, { again, back }: WaysOn): Reply {
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign-in did not work</title>
<style>${style}</style>
</head>
<body>
<h1>Sign-in did not work</h1>
<p>${escapeHtml(error.message)}</p>
<p>${again === undefined ? '' : `<a href="${escapeHtml(again)}">Try again</a> &middot; `}<a href="${escapeHtml(back)}">Go back</a></p>
<p><small>${escapeHtml(error.code)} &middot; ${escapeHtml(exchange.id)}</small></p>
</body>
</html>
`;
  return { status: error.status, headers: { ...errorHeaders(error), ...headers }, body };
}

/**
 * True where `Accept` prefers HTML to JSON, as browsers do. Where it accepts both alike, as curl does, the answer stays JSON.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
 */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  return (
    quality(accept, ['text/html', 'text/*', '*/*']) > quality(accept, ['application/json', 'application/*', '*/*'])
  );
}

/** @param ranges - The ranges that a type matches, the most specific first. The first that `Accept` names decides. */
function quality(accept: string, ranges: readonly string[]): number {
  const named = new Map(accept.split(',').map(rangeOf));
  for (const range of ranges) {
    const found = named.get(range);
    if (found !== undefined) return found;
  }
  return 0;
}

function rangeOf(item: string): [string, number] {
  const [range = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  return [range, weight === undefined ? 1 : Number(weight.slice(2)) || 0];
}
