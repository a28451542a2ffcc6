/**
 * True for plain http on a host that is this machine by definition (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3,
 * RFC 4291 section 2.5.3), where browsers and OpenID Connect clients may do without TLS.
 */
export function isPlainLoopback(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
