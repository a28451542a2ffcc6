import type { TransportName } from '../../config/variables';
import type * as GrpcJs from './grpc-js';
import { Http2Transport } from './http2/http2-transport';
import type { Transport, TransportOptions } from './transport';

/** @throws Error for a target that cannot be read */
export function createTransport(name: TransportName, options: TransportOptions): Transport {
  return name === 'grpc-js' ? new (loadGrpcJs().GrpcJsTransport)(options) : new Http2Transport(options);
}

/** Loaded only where it is chosen: it takes memory and time at start. */
const loadGrpcJs = () => require('./grpc-js') as typeof GrpcJs;
