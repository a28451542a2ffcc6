import { randomUUID } from 'node:crypto';
import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors';
import { exchangeOf } from './incoming-exchange';
import type { RequestRecorder } from './request-recorder';
import { toUnreadableRequest, unreadableReply, writeUnreadableReply, type Refuse } from './unreadable-request';
import type { WholeReplies } from './whole-replies';

/** Makes a {@link Refuse} that records what it refuses, as any other request is. */
export function createRefuse(whole: WholeReplies, recorder: RequestRecorder): Refuse {
  return (error, to) => {
    const unreadable = toUnreadableRequest(error);
    if (to instanceof ServerResponse) {
      const exchange = exchangeOf(to);
      if (!exchange) return;
      exchange.markUnreadable(unreadable);
      const reply = unreadableReply(unreadable, exchange.id);
      whole.sendNow(exchange, reply, reply.body);
      exchange.abort(new GatewayError('CLIENT_CLOSED_REQUEST'));
      return;
    }
    const requestId = randomUUID();
    writeUnreadableReply(to, unreadable, requestId);
    // Browsers open connections ahead of any request. One that times out unused was no request.
    if (to.bytesRead > 0) recorder.recordUnreadable(requestId, unreadable);
  };
}

/** A {@link Refuse} for the admin listener, whose requests are not recorded. */
export function refuseUnrecorded(error: NodeJS.ErrnoException, to: ServerResponse | Socket): void {
  if (to instanceof ServerResponse) to.destroy();
  else writeUnreadableReply(to, toUnreadableRequest(error), randomUUID());
}
