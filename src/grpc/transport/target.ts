import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** Where one server of an upstream listens. */
export type Address =
  { readonly host: string; readonly port: number; readonly path?: undefined } | { readonly path: string };

/** A gRPC target, read. */
export interface Target {
  /** Value of `:authority`. */
  readonly authority: string;
  /** The name that a certificate must be for; undefined where there is none but an address. */
  readonly serverName: string | undefined;
  /** True where {@link resolve} may answer otherwise another time. */
  readonly changes: boolean;
  /**
   * Every address that the target has now; at least one.
   *
   * @throws Error of the system where the name cannot be resolved
   */
  resolve(): Promise<readonly Address[]>;
}

/**
 * Reads a target: `host:port`, `dns:///host:port`, `ipv4:a:port,b:port`, `ipv6:[a]:port,...`, `unix:path`.
 *
 * @throws Error where it is none of these
 * @see https://github.com/grpc/grpc/blob/master/doc/naming.md
 */
export function parseTarget(text: string): Target {
  const [, scheme, rest = ''] = /^(dns|ipv4|ipv6|unix):(.*)$/s.exec(text) ?? [];
  if (scheme === 'unix') {
    const path = rest.replace(/^\/\/(?=\/)/, '');
    if (path === '') throw new Error(`"${text}" has no path`);
    return fixed('localhost', [{ path }]);
  }
  if (scheme === 'ipv4' || scheme === 'ipv6') {
    const listed = rest.split(',');
    const addresses = listed.map(hostAndPort);
    const version = scheme === 'ipv4' ? 4 : 6;
    if (addresses.some(({ host }) => isIP(host) !== version)) throw new Error(`"${text}" is not ${scheme} addresses`);
    return fixed(listed[0]!, addresses);
  }
  const authority = scheme === 'dns' ? rest.replace(/^\/\/\//, '') : text;
  const { host, port } = hostAndPort(authority);
  if (isIP(host) !== 0) return fixed(authority, [{ host, port }]);
  return {
    authority,
    // A certificate's names have no dot at their end, which marks a name as complete.
    serverName: host.replace(/\.$/, ''),
    changes: true,
    async resolve() {
      const found = await lookup(host, { all: true });
      return found.map(({ address }) => ({ host: address, port }));
    },
  };
}

function fixed(authority: string, addresses: readonly Address[]): Target {
  return { authority, serverName: undefined, changes: false, resolve: () => Promise.resolve(addresses) };
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(?:\[([^\]]+)\]|[^:[\]/]+):([1-9]\d{0,4})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) throw new Error(`"${text}" is not host:port`);
  return { host: host ?? text.slice(0, text.lastIndexOf(':')), port: Number(port) };
}

/** An address as people write it; also what tells two apart. */
export function addressText(address: Address): string {
  if (address.path !== undefined) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
