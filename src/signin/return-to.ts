/** Characters. It must fit into a cookie together with the rest of the attempt. */
const longest = 2048;

/** Decides where browsers go after sign-in. */
export interface ReturnToOptions {
  /** Where the gateway is reached, without a path. */
  readonly publicUrl: string;
  /** Origins, as browsers write them, whose pages may send a user here and get them back. */
  readonly allowedOrigins: readonly string[];
  /** Where those go who name no place, or none that is allowed. */
  readonly postLoginUrl: string;
}

/**
 * Where to send the browser after sign-in: a path on this origin, as the browser will resolve it, or a URL that begins with
 * exactly one of the origins. With anything else that a link asks for, signing in still works, and leads where it does without.
 *
 * @param wanted - The values of the parameter, decoded once. More than one counts as none.
 */
export function safeReturnTo(
  wanted: readonly string[],
  { publicUrl, allowedOrigins, postLoginUrl }: ReturnToOptions,
): string {
  const [text] = wanted;
  if (text === undefined || wanted.length > 1 || text.length > longest) return postLoginUrl;
  const path = pathOn(publicUrl, text);
  if (path !== undefined) return path;
  for (const origin of [publicUrl, ...allowedOrigins]) {
    const url = urlOn(origin, text);
    if (url !== undefined) return url;
  }
  return postLoginUrl;
}

/** The URL that a text is, where it begins with the origin as it is written; undefined where it may be of another. */
function urlOn(origin: string, text: string): string | undefined {
  if (!text.startsWith(origin)) return undefined;
  const rest = text.slice(origin.length);
  // Where the host or the port goes on, or the origin was a user name, the rest is no path.
  const path = pathOn(origin, /^[?#]|^$/.test(rest) ? `/${rest}` : rest);
  return path === undefined ? undefined : origin + path;
}

/** The path with query and fragment that a text leads to on an origin; undefined where it may lead elsewhere. */
function pathOn(origin: string, text: string): string | undefined {
  if (!isPath(text) || !URL.canParse(text, origin)) return undefined;
  const url = new URL(text, origin);
  if (url.origin !== origin) return undefined;
  const resolved = url.pathname + url.search + url.hash;
  // Check again, since resolving removes dot segments: `/.//host` has become `//host`.
  return resolved.length <= longest && isPath(resolved) ? resolved : undefined;
}

/**
 * True for an absolute path that names no host. Browsers treat a backslash as a slash, and skip tabs and line breaks (WHATWG
 * URL, "basic URL parser"). An encoded slash or backslash in front is refused too, in case something decodes it later.
 */
function isPath(path: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  return /^\/(?!\/|%2f|%5c)[^\\\x00-\x1f\x7f]*$/i.test(path);
}
