import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors';
import { authorityOf } from './request-target';

/**
 * Checks what node:http and its parser let through, though others read it differently: a proxy in front that takes a request for
 * another host, or for one of another length, could be made to let in what it is there to keep out.
 *
 * @throws GatewayError BAD_USER_INPUT where a request does not name its host once (RFC 9112, 3.2), or has a Transfer-Encoding that
 * HTTP/1.0 does not know (6.1); NOT_IMPLEMENTED for any other coding than chunked (6.1). The connection closes.
 */
export function checkHead(request: IncomingMessage): void {
  const { headers, rawHeaders, httpVersion } = request;
  const { host, 'transfer-encoding': coding } = headers;
  if (host === undefined) {
    if (httpVersion !== '1.0') throw refusal('The header "Host" is missing.');
  } else {
    if (linesOfHost(rawHeaders) > 1) throw refusal('The header "Host" is there more than once.');
    if (!isAuthority(host)) throw refusal('The header "Host" is not a host with or without a port.');
  }
  const authority = authorityOf(request.url ?? '');
  if (authority !== undefined && (authority === '' || !isAuthority(authority))) {
    throw refusal('The request target does not name a host.');
  }
  if (coding === undefined) return;
  if (httpVersion === '1.0') throw refusal('HTTP/1.0 has no Transfer-Encoding.');
  if (coding.toLowerCase() !== 'chunked') {
    throw new GatewayError('NOT_IMPLEMENTED', 'The only Transfer-Encoding that is taken is chunked.', closing);
  }
}

const closing = { headers: { connection: 'close' } };

function refusal(message: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', message, closing);
}

/** node:http keeps the first of several lines. */
function linesOfHost(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/** A host with or without a port (RFC 3986, 3.2.2). It may be empty. */
const authorityForm = /^(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*(?::\d{0,5})?$|^\[[\da-f:.]+\](?::\d{0,5})?$/i;

/** Nearly all requests name the same host. */
let lastGood = '';

function isAuthority(text: string): boolean {
  if (text === lastGood) return true;
  if (!authorityForm.test(text)) return false;
  lastGood = text;
  return true;
}
