/** Characters. It must fit into a cookie together with the rest of the attempt. */
const longest = 2048;

/**
 * Where to send the browser after sign-in: a path on this origin, as the browser will resolve it. Anything else that a link
 * asks for becomes `/`: signing in still works, and never leads to another site.
 *
 * @param wanted - The values of the parameter, decoded once. More than one counts as none.
 * @param publicUrl - Where the gateway is reached.
 */
export function safeReturnTo(wanted: readonly string[], publicUrl: string): string {
  const [path] = wanted;
  if (path === undefined || wanted.length > 1 || !isPath(path)) return '/';
  const { origin } = new URL(publicUrl);
  if (!URL.canParse(path, origin)) return '/';
  const url = new URL(path, origin);
  if (url.origin !== origin) return '/';
  const resolved = url.pathname + url.search + url.hash;
  // Check again, since resolving removes dot segments: `/.//host` has become `//host`.
  return resolved.length <= longest && isPath(resolved) ? resolved : '/';
}

/**
 * True for an absolute path that names no host. Browsers treat a backslash as a slash, and skip tabs and line breaks (WHATWG
 * URL, "basic URL parser"). An encoded slash or backslash in front is refused too, in case something decodes it later.
 */
function isPath(path: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  return path.length <= longest && /^\/(?!\/|%2f|%5c)[^\\\x00-\x1f\x7f]*$/i.test(path);
}
