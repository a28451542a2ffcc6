import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { join, resolve } from 'node:path';
import { parse as parseAddress } from 'ipaddr.js';

/** What is wrong with a value. What would be right stands in the table of variables. */
export class InvalidValue extends Error {}

/** @throws InvalidValue */
export function rejectText(text: string, wrong: string): never {
  throw new InvalidValue(`${shown(text)} ${wrong}`);
}

/** A value as messages show it: quoted, cut, and without credentials in a URL. */
export function shown(text: string): string {
  const safe = text.replace(/^(.*?\/\/)?.*@/s, '$1…@');
  return JSON.stringify(safe.length > 80 ? `${safe.slice(0, 80)}…` : safe);
}

export function oneOf<const T extends string>(values: readonly T[]): (text: string) => T {
  return (text) => values.find((value) => value === text) ?? rejectText(text, 'is none of them');
}

export function listOf<T>(parse: (item: string) => T): (text: string) => T[] {
  return (text) => {
    const items = text.split(',').map((item) => item.trim());
    if (items.includes('')) throw new InvalidValue('its list has an empty entry');
    const twice = items.find((item, index) => items.indexOf(item) !== index);
    if (twice !== undefined) rejectText(twice, 'is there twice');
    return items.map(parse);
  };
}

export function port(text: string): number {
  // Kubernetes sets NAME_PORT for every Service of the namespace, unless `enableServiceLinks` is false.
  if (/^(tcp|udp|sctp):\/\//.test(text)) rejectText(text, 'comes from a Kubernetes Service of that name');
  if (!/^(0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65_535) rejectText(text, 'is not a port');
  return Number(text);
}

function isHostname(text: string): boolean {
  // What looks like an IPv4 address must be one. Underscores are common in container names.
  if (/^[\d.]+$/.test(text)) return isIPv4(text);
  return text.length <= 253 && /^(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?$/.test(text);
}

/** An IP address, or a network in CIDR notation. */
export function network(text: string): string {
  const [, address = '', bits] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) rejectText(text, 'is neither an IP address nor a network');
  if (Number(bits ?? 0) > (family === 4 ? 32 : 128)) rejectText(text, `has more bits than IPv${family}`);
  // Meant for a network of IPv4, it would hold all of them.
  const holdsAll = Number(bits ?? 128) < 96 && parseAddress(address).range() === 'ipv4Mapped';
  if (holdsAll) rejectText(text, 'has too few bits for IPv4 in IPv6');
  return text;
}

export function listenHost(text: string): string {
  if (isIP(text) === 0 && !isHostname(text)) rejectText(text, 'is neither an IP address nor a host name');
  return text;
}

function url(text: string): URL {
  // URL accepts backslashes, missing slashes and white space, which others read differently.
  if (!/^https?:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) rejectText(text, 'is not an http or https URL');
  const parsed = new URL(text);
  if (parsed.username || parsed.password) rejectText(text, 'carries a user name or a password');
  return parsed;
}

export function origin(text: string): URL {
  const parsed = url(text);
  if (!/^[^/]+\/\/[^/?#]+\/?$/.test(text)) rejectText(text, 'has more than scheme, host and port');
  return parsed;
}

/** A path with query and fragment, or an http or https URL; as browsers will resolve it. */
export function pathOrUrl(text: string): string {
  if (!text.startsWith('/')) return url(text).href;
  const here = 'http://localhost';
  const resolved = /^\/[^\s\\]*$/.test(text) && URL.canParse(text, here) ? new URL(text, here) : undefined;
  const path = resolved?.origin === here ? resolved.pathname + resolved.search + resolved.hash : '//';
  // What names a host without a scheme, even if only once dot segments are removed.
  return path.startsWith('//') ? rejectText(text, 'is no path') : path;
}

export function issuer(text: string): string {
  url(text);
  if (/[?#]/.test(text)) rejectText(text, 'has a query or a fragment');
  return text;
}

/** Its user and password are secrets. */
export function redisUrl(text: string): string {
  const wrong = !/^rediss?:\/\/[^\s\\]+$/.test(text) || !URL.canParse(text);
  if (wrong) throw new InvalidValue('its value is not a redis:// or rediss:// URL');
  const { hostname, pathname, search, hash } = new URL(text);
  if (hostname === '') throw new InvalidValue('its value names no host');
  if (!/^(\/\d{0,4})?$/.test(pathname)) throw new InvalidValue('its path is not the number of a database');
  if (search !== '' || hash !== '') throw new InvalidValue('its value has a query or a fragment');
  return text;
}

export function isLoopback({ hostname }: URL): boolean {
  return /(^|\.)localhost$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.')) || hostname === '[::1]';
}

function hostPort(text: string, acceptsHost: (host: string) => boolean): boolean {
  const match = /^(\[[^\]]*\]|[^:]*):([1-9]\d{0,4})$/.exec(text);
  return match !== null && Number(match[2]) <= 65_535 && acceptsHost(match[1] ?? '');
}

function isHost(text: string): boolean {
  return isBracketedIPv6(text) || isHostname(text);
}

function isBracketedIPv6(text: string): boolean {
  return /^\[.*\]$/.test(text) && isIPv6(text.slice(1, -1));
}

export function target(text: string): string {
  // gRPC would use port 443 where a target has none; that is hardly ever meant.
  const [, scheme, rest = ''] = /^(dns|ipv4|ipv6|unix):(.*)$/s.exec(text) ?? [];
  switch (scheme) {
    case 'dns':
      if (!hostPort(rest.replace(/^\/\/\//, ''), isHost)) rejectText(text, 'is not dns:///host:port');
      break;
    case 'ipv4':
    case 'ipv6':
      if (!rest.split(',').every((address) => hostPort(address, scheme === 'ipv4' ? isIPv4 : isBracketedIPv6))) {
        rejectText(text, `is not a list of ${scheme} addresses with ports`);
      }
      break;
    case 'unix':
      if (!/^(?!\/\/[^/])[^\0]*[^/\0]$/.test(rest)) rejectText(text, 'has no path of a socket');
      break;
    default:
      if (text.includes('://')) rejectText(text, 'is a URL');
      if (!hostPort(text, isHost)) rejectText(text, 'is not host:port');
  }
  return text;
}

/**
 * The package's root, which contains `src` and `dist`. Relative paths count from here, wherever the process was started.
 */
export const packageRoot = join(__dirname, '..', '..');

export function folder(text: string): string {
  const path = resolve(packageRoot, text);
  let found = false;
  try {
    found = statSync(path).isDirectory();
  } catch {
    // Missing, forbidden, too long for a name: not a folder that can be read.
  }
  return found ? path : rejectText(text, 'is not a folder that can be read');
}

/** Folders separated by colons, as in PATH. */
export function folders(text: string): string[] {
  const paths = text.split(':');
  if (paths.includes('')) throw new InvalidValue('its list has an empty entry');
  return paths.map(folder);
}

/** Messages leave the value out: it may be the secret itself, set here by mistake, and must not be logged. */
export function fileContent(text: string): Buffer {
  if (text.includes('-----BEGIN')) throw new InvalidValue('its value is the PEM itself');
  try {
    return readFileSync(resolve(packageRoot, text));
  } catch (error) {
    throw new InvalidValue(`the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'bad path'})`);
  }
}

export function certificates(text: string): Buffer {
  const pem = fileContent(text);
  const found = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs);
  if (!found) throw new InvalidValue('the file has no PEM certificate');
  parsedOr('the file has a certificate that cannot be read', () => found.map((one) => new X509Certificate(one)));
  return pem;
}

export function privateKey(text: string): Buffer {
  const pem = fileContent(text);
  parsedOr('the file has no PEM private key that can be read without a passphrase', () => createPrivateKey(pem));
  return pem;
}

function parsedOr(wrong: string, parse: () => unknown): void {
  try {
    parse();
  } catch {
    throw new InvalidValue(wrong);
  }
}

export function providerName(text: string): string {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text) ? text : rejectText(text, 'is not a provider name');
}

export function clientId(text: string): string {
  return /^[\x20-\x7e]+$/.test(text) ? text : rejectText(text, 'has characters that a client id cannot have');
}

export function scopes(text: string): string {
  const items = text.split(/ +/);
  // RFC 6749, section 3.3.
  const bad = items.find((item) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(item));
  if (bad !== undefined) rejectText(bad, 'is not a scope');
  if (!items.includes('openid')) rejectText(text, 'lacks openid');
  return items.join(' ');
}

export const shortestSecret = 32;

export function secrets(text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  const short = items.findIndex((item) => item.length < shortestSecret);
  if (short < 0) return items;
  const which = items.length === 1 ? 'its secret' : `secret ${short + 1} of its ${items.length}`;
  throw new InvalidValue(`${which} has ${items[short]?.length ?? 0} characters`);
}

/** Messages leave the value out: the URL may hold a credential by mistake. */
export function collectorUrl(text: string): string {
  if (/[?#]/.test(text)) throw new InvalidValue('its URL has a query or a fragment');
  return url(text).href;
}

/**
 * Reads pairs such as `team=search,region=eu`, values percent-encoded (OpenTelemetry, "Environment Variable Specification";
 * W3C Baggage). Messages leave them out: they may be secrets.
 *
 * @param isName - True for what may be a name.
 */
export function pairs(isName: (name: string) => boolean): (text: string) => Readonly<Record<string, string>> {
  return (text) => {
    const entries = text.split(',').map((item, index) => {
      const [, name, value] = /^\s*([^\s=]+)\s*=\s*(.*?)\s*$/s.exec(item) ?? [];
      if (name !== undefined && value !== undefined && isName(name)) return [name, decoded(value, index)] as const;
      throw new InvalidValue(`entry ${index + 1} is no pair`);
    });
    const names = entries.map(([name]) => name);
    const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
    if (twice >= 0) throw new InvalidValue(`entry ${twice + 1} has the name of another`);
    return Object.fromEntries(entries);
  };
}

function decoded(value: string, index: number): string {
  try {
    const text = decodeURIComponent(value);
    // Control characters would break a header, and be invisible in an attribute.
    if (!/\p{Cc}/u.test(text)) return text;
  } catch {
    // Reported below.
  }
  throw new InvalidValue(`the value of entry ${index + 1} cannot be read`);
}

/** True for the name of an HTTP header (RFC 9110, section 5.6.2), or of an attribute. */
export function isFieldName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name);
}

export function ratio(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= 0 && value <= 1 ? value : rejectText(text, 'is not from 0 to 1');
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : rejectText(text, `is not a whole number from ${min} to ${max}`);
  };
}

const bytesOf = { B: 1, KB: 1024, MB: 1024 ** 2 } as const;

/** Bytes of a size such as `512KB` or `1.5MB`; undefined for other text. */
function parseSize(text: string): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(B|KB|MB)$/.exec(text);
  return match ? Math.round(Number(match[1]) * bytesOf[match[2] as keyof typeof bytesOf]) : undefined;
}

/** The parser of a variable that holds a size from `min` to `max`, in bytes. */
export function size(min: string, max: string): (text: string) => number {
  return (text) => {
    const value = parseSize(text);
    if (value === undefined) rejectText(text, /^[\d.]+$/.test(text) ? 'has no unit' : 'is not a size');
    if (value < (parseSize(min) ?? 0)) rejectText(text, `is less than ${min}`);
    if (value > (parseSize(max) ?? Infinity)) rejectText(text, `is more than ${max}`);
    return value;
  };
}

/** 0 for `off`. */
export function offOr(parse: (text: string) => number): (text: string) => number {
  return (text) => (text.toLowerCase() === 'off' ? 0 : parse(text));
}

export function milliseconds(text: string): number {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : rejectText(text, 'is not a number of milliseconds');
}

export function boolean(text: string): boolean {
  return oneOf(['true', 'false'])(text.toLowerCase()) === 'true';
}

export function otelServiceName(text: string): string {
  return /\p{Cc}/u.test(text) ? rejectText(text, 'has control characters') : text;
}
