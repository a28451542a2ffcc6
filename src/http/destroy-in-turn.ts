import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Ends the connection of a response that cannot be sent. Responses ahead of it on the connection still go out whole. */
export function destroyInTurn(response: ServerResponse, cause: Error): void {
  if (response.socket) {
    response.destroy(cause);
    return;
  }
  // The response waits behind another. destroy() on Node 24 would close it alone and leave its client waiting.
  response.once('socket', (socket: Socket) => {
    // Sends nothing of this response, and lets the one ahead, which is finished, close before the connection does.
    socket.cork();
    setImmediate(() => socket.destroy(cause));
  });
}
