import { Status, type CallEnd } from '../../status';
import { failure } from '../limits';
import { ErrorCode } from './frames';
import type { Headers } from './hpack';

/** The status that a server has sent; undefined where there is none in the headers. */
export function statusOfTrailers(headers: Headers | undefined): CallEnd | undefined {
  const code = headers?.['grpc-status'];
  if (headers === undefined || code === undefined) return undefined;
  return {
    code: statusCode(code),
    details: decodeMessage(headers['grpc-message']),
    statusDetails: decodeBinary(headers['grpc-status-details-bin']),
  };
}

function statusCode(text: string): Status {
  const code = /^\d{1,2}$/.test(text) ? Number(text) : Status.UNKNOWN;
  return code in Status ? code : Status.UNKNOWN;
}

/** Percent-decodes a Status-Message. Broken codes stay as they are, broken UTF-8 becomes U+FFFD. */
function decodeMessage(message = ''): string {
  return message.replace(/(?:%[\da-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());
}

/** Binary-Header: base64, with or without padding; the first of several, which are joined by commas. */
function decodeBinary(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text.split(',', 1)[0]!, 'base64');
}

/**
 * The status of a call that the server has reset without one.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
 */
export function statusOfReset(code: number): CallEnd {
  return failure(resetStatus(code), `the call was reset with HTTP/2 error code ${code}`);
}

function resetStatus(code: number): Status {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return Status.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return Status.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return Status.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return Status.PERMISSION_DENIED;
    default:
      return Status.INTERNAL;
  }
}

/**
 * The status of a call that something else than a gRPC server has answered.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
export function statusOfHttp(status: number | undefined): Status {
  switch (status) {
    case 400:
      return Status.INTERNAL;
    case 401:
      return Status.UNAUTHENTICATED;
    case 403:
      return Status.PERMISSION_DENIED;
    case 404:
      return Status.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return Status.UNAVAILABLE;
    default:
      return Status.UNKNOWN;
  }
}
