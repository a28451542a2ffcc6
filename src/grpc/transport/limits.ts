import { Status, type CallEnd } from '../status';
import type { CallListener, CallRequest, OpenCall } from './transport';

/** Bytes. */
export const defaultMaxMessageSize = 8 * 1024 * 1024;

/** A status that no server has sent. */
export function failure(code: Status, details: string): CallEnd {
  return { code, details, statusDetails: undefined };
}

/** Ends a call that must not be sent; undefined for all others. */
export function refuse(request: CallRequest, listener: CallListener, maxMessageSize: number): OpenCall | undefined {
  if (request.message.length > maxMessageSize) {
    listener.ended(failure(Status.RESOURCE_EXHAUSTED, `the request is over ${maxMessageSize} bytes`));
  } else if (request.deadline <= Date.now()) {
    listener.ended(failure(Status.DEADLINE_EXCEEDED, 'the deadline has passed'));
  } else {
    return undefined;
  }
  return over;
}

/** A call that has ended. */
const over: OpenCall = {
  cancel: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
};
