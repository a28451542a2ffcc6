import { MessageQueue } from './message-queue';
import type { PreparedCall } from './prepared-call';
import { decode } from './response';
import { Status, type CallEnd } from './status';
import type { Transport } from './transport/transport';
import type { CallScope, Rpc } from './upstream';

/**
 * Reads a server stream. The call is made when the first message is asked for.
 *
 * @param prepare - Called once, at that time.
 */
export async function* readStream<Response>(
  rpc: Rpc<never, Response>,
  scope: CallScope,
  transport: Transport,
  prepare: () => PreparedCall,
): AsyncGenerator<Response, void, undefined> {
  const { signal, trace } = scope;
  const { request, span, reports, maxItems, onEnd } = prepare();
  const messages = new MessageQueue();
  const call = transport.call(request, messages);
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  let end: CallEnd | undefined;
  try {
    while (!end) {
      trace?.upstreams.begin(performance.now());
      const next = await messages.next(call);
      trace?.upstreams.end(performance.now());
      const read = Buffer.isBuffer(next) ? decode(rpc, next, maxItems) : next;
      if ('response' in read) yield read.response;
      else end = read;
    }
    if (end.code !== Status.OK) throw reports.failed(scope, span, end);
    reports.succeeded(span);
  } finally {
    signal?.removeEventListener('abort', cancel);
    if (!end) reports.left(scope, span);
    call.cancel();
    onEnd();
  }
}
