import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { GatewayError } from '../errors';
import { entityTag, isKnown } from '../http/entity-tag';
import type { Exchange, Reply, Route } from '../http/exchange';

/** The scripts and styles of a page, served from this host. */
export interface PageFiles {
  /** Where pages find a file by its name. The address changes when any of the files does. */
  locate(): Promise<(name: string) => string>;
  readonly route: Route;
}

/** Workers live by the policy that they came with and not by the page's; they only talk to the page. */
const filePolicy = "default-src 'none'";

interface File {
  readonly type: string;
  readonly plain: Encoded;
  readonly gzipped: Encoded;
}

interface Encoded {
  readonly body: Buffer;
  /** Each encoding has one of its own (RFC 9110, 8.8.3.3). */
  readonly etag: string;
}

interface Loaded {
  /** Changes when any of the files does. */
  readonly version: string;
  readonly files: ReadonlyMap<string, File>;
}

/**
 * @param folder - Path below which the files are.
 * @param load - Texts by file name; .css for styles, anything else is a script. They may be large: called when the first page is
 * asked for, and once.
 */
export function createPageFiles(folder: string, load: () => Promise<Readonly<Record<string, string>>>): PageFiles {
  let loading: Promise<Loaded> | undefined;
  const loaded = (): Promise<Loaded> => (loading ??= load().then(compress));
  return {
    async locate() {
      const { version } = await loaded();
      return (name) => `${folder}/${name}?${version}`;
    },
    route: {
      method: 'GET',
      path: `${folder}/{file}`,
      statuses: [200, 304],
      handle: async (exchange, { file = '' }) => {
        const { version, files } = await loaded();
        const found = files.get(file);
        if (!found) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
        return replyWith(found, exchange, version);
      },
    },
  };
}

async function compress(texts: Readonly<Record<string, string>>): Promise<Loaded> {
  const files = new Map<string, File>();
  for (const [name, text] of Object.entries(texts)) {
    const plain = Buffer.from(text);
    const gzipped = await promisify(gzip)(plain);
    const type = name.endsWith('.css') ? 'text/css' : 'text/javascript';
    files.set(name, { type: `${type}; charset=utf-8`, plain: tagged(plain), gzipped: tagged(gzipped) });
  }
  const version = hash('sha256', Object.values(texts).join('\0'), 'hex').slice(0, 12);
  return { version, files };
}

const tagged = (body: Buffer): Encoded => ({ body, etag: entityTag(body) });

function replyWith({ type, plain, gzipped }: File, { headers, query }: Exchange, version: string): Reply {
  const zips = acceptsGzip(headers['accept-encoding']);
  const { body, etag } = zips ? gzipped : plain;
  const caching = {
    // Another version is asked for by a page that is older or newer than this process.
    'cache-control': query === version ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    etag,
  };
  if (isKnown(etag, headers)) return { status: 304, headers: caching };
  return {
    status: 200,
    headers: {
      'content-type': type,
      'content-security-policy': filePolicy,
      ...caching,
      ...(zips ? { 'content-encoding': 'gzip' } : {}),
    },
    body,
  };
}

/** RFC 9110 section 12.5.3, as far as clients make use of it. */
function acceptsGzip(acceptEncoding = ''): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(acceptEncoding);
}
