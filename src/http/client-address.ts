import { isIP } from 'node:net';
import { parse, parseCIDR, type IPv4, type IPv6 } from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

type Address = IPv4 | IPv6;

/** Addresses that `X-Forwarded-For` is read back through, at most. A client may send a header of thousands. */
const maxHops = 32;

/** Characters of the longest header whose client is kept. */
const longestKept = 200;

/** Tells the address of a client from that of the proxies between. */
export class ClientAddresses {
  private readonly trusted: readonly [Address, number][];
  /** To read an address takes longer than the rest of a small request, and clients send several. */
  private readonly known = new LRUCache<string, string>({ max: 2_000 });

  /** @param trustedProxies - Addresses, and networks in CIDR notation. */
  constructor(trustedProxies: readonly string[]) {
    this.trusted = trustedProxies.map((each) => toNetwork(each));
  }

  /** Whether a peer is a proxy that may speak for others. */
  isTrusted(peer: string): boolean {
    if (this.trusted.length === 0) return false;
    const address = toAddress(peer);
    return address !== undefined && this.trusts(address);
  }

  /**
   * The address of the client behind a trusted proxy: the last one that no trusted proxy has. Whatever stands before it may have
   * been made up by the client.
   *
   * @param peer - As {@link normalAddress} writes it.
   * @param forwardedFor - The header `X-Forwarded-For`, all of its lines.
   */
  behind(peer: string, forwardedFor: string): string {
    const known = this.known.get(forwardedFor);
    if (known !== undefined) return known;
    const client = this.readBack(forwardedFor);
    if (client === undefined) return peer;
    if (forwardedFor.length <= longestKept) this.known.set(forwardedFor, client);
    return client;
  }

  /** Undefined where even the last entry is no address. */
  private readBack(forwardedFor: string): string | undefined {
    let client: string | undefined;
    let end = forwardedFor.length;
    for (let hop = 0; hop < maxHops && end >= 0; hop += 1) {
      const comma = end === 0 ? -1 : forwardedFor.lastIndexOf(',', end - 1);
      const address = toAddress(withoutPort(forwardedFor.slice(comma + 1, end).trim()));
      // A proxy that names no address says nothing of who stands before it.
      if (!address) return client;
      client = textOf(address);
      if (!this.trusts(address)) return client;
      end = comma;
    }
    return client;
  }

  private trusts(address: Address): boolean {
    return this.trusted.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  }
}

/** An address as text, in one way of writing it: IPv4 where IPv6 holds one, no zone, the short form. Other text stays as it is. */
export function normalAddress(text: string): string {
  const address = isPlain(text) ? undefined : toAddress(text);
  return address ? textOf(address) : text;
}

/**
 * What the clients of one place have in common, for limits per address: the address itself, or the first 64 bits of IPv6, since
 * everybody has at least so many addresses to choose from.
 *
 * @param address - As {@link normalAddress} writes it.
 */
export function placeOf(address: string): string {
  if (!address.includes(':')) return address;
  const parsed = toAddress(address);
  if (parsed?.kind() !== 'ipv6') return address;
  return `${(parsed as IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Most peers have an IPv4 address, which there is one way to write. */
function isPlain(text: string): boolean {
  return !text.includes(':');
}

function toAddress(text: string): Address | undefined {
  // The parser also takes what others do not: octal, hexadecimal, fewer than four parts.
  if (isIP(text) === 0) return undefined;
  const zone = text.indexOf('%');
  const address = parse(zone < 0 ? text : text.slice(0, zone));
  return isMapped(address) ? address.toIPv4Address() : address;
}

function isMapped(address: Address): address is IPv6 {
  return address.kind() === 'ipv6' && (address as IPv6).isIPv4MappedAddress();
}

/** @param text - An address or a network, as the configuration has checked it. */
function toNetwork(text: string): [Address, number] {
  if (!text.includes('/')) {
    const address = toAddress(text);
    if (address) return [address, address.kind() === 'ipv4' ? 32 : 128];
  }
  const [network, bits] = parseCIDR(text);
  return isMapped(network) ? [network.toIPv4Address(), Math.max(0, bits - 96)] : [network, bits];
}

function textOf(address: Address): string {
  return address.kind() === 'ipv6' ? (address as IPv6).toRFC5952String() : address.toString();
}

/** Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(text: string): string {
  const [, inBrackets, beforePort] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? [];
  return inBrackets ?? beforePort ?? text;
}
