import { defaultMaxMessageSize, refuse } from '../limits';
import { parseTarget } from '../target';
import type { CallListener, CallRequest, OpenCall, Transport, TransportOptions } from '../transport';
import { Call } from './call';
import { Channel } from './channel';
import { RequestHeaders } from './request-headers';

/** gRPC over an HTTP/2 client of its own: see docs/decisions/transport.md. */
export class Http2Transport implements Transport {
  readonly authority: string;
  private readonly channel: Channel;
  private readonly headers: RequestHeaders;
  private readonly maxMessageSize: number;

  constructor({ target, tls, maxMessageSize = defaultMaxMessageSize, onViolation }: TransportOptions) {
    const parsed = parseTarget(target);
    this.authority = parsed.authority;
    this.channel = new Channel(parsed, tls, onViolation ?? (() => undefined));
    this.headers = new RequestHeaders(parsed.authority, tls ? 'https' : 'http');
    this.maxMessageSize = maxMessageSize;
  }

  get ready(): boolean {
    return this.channel.ready;
  }

  get closed(): boolean {
    return this.channel.closed;
  }

  call(request: CallRequest, listener: CallListener): OpenCall {
    const { maxMessageSize } = this;
    return (
      refuse(request, listener, maxMessageSize) ??
      new Call(this.channel, this.headers.encode(request), request, maxMessageSize, listener)
    );
  }

  close(): void {
    this.channel.close();
  }
}
