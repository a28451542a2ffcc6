import type { Socket } from 'node:net';
import { normalAddress, type ClientAddresses } from './client-address';
import type { Place } from './places';

/** The other end of a connection. */
export interface Peer {
  /** Empty where the connection was gone before anybody asked. */
  readonly address: string;
  /** Whether it may speak for others. */
  readonly isProxy: boolean;
  /** Where its connection counts; left out for proxies. */
  place?: Place;
}

/** A socket that knows its peer: what that is is worked out once for each connection. */
type Known = Socket & { peer?: Peer };

/** The peer of a connection. */
export function peerOf(socket: Socket, addresses: ClientAddresses): Peer {
  return ((socket as Known).peer ??= findPeer(socket, addresses));
}

function findPeer({ remoteAddress = '' }: Socket, addresses: ClientAddresses): Peer {
  return { address: normalAddress(remoteAddress), isProxy: addresses.isTrusted(remoteAddress) };
}
