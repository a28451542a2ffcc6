import { startClient, type Client } from './client-fixture';
import {
  answer,
  behave,
  Flag,
  headers,
  okFields,
  settings,
  startRawServer,
  type Fields,
  type Peer,
  type RawServer,
} from './raw-http2-server';

/** A raw server with a client. */
export interface RawWorld {
  readonly server: RawServer;
  readonly client: Client;
  /** The first connection, behind the server's settings. */
  readonly peer: Peer;
}

export async function startRawWorld(values: Readonly<Record<number, number>> = {}): Promise<RawWorld> {
  const server = await startRawServer((peer, nth) => (nth === 0 ? peer.send(settings(values)) : behave(peer)));
  const client = startClient(server.port);
  return { server, client, peer: await server.peer(0) };
}

/** What a call gives where the server sends these frames, and whether the next one finds the connection as it was. */
export async function answered(...parts: readonly Buffer[]): Promise<string> {
  const { client, peer } = await startRawWorld();
  const outcome = client.outcome();
  expect(await peer.request()).toBe(1);
  peer.send(...parts);
  const result = await outcome;
  const next = client.outcome();
  expect(await peer.request()).toBe(3);
  peer.send(answer(3));
  expect(await next).toBe('answer 3');
  return result;
}

/** An answer to the first request that is a head alone (gRPC's Trailers-Only). */
export function trailersOnly(fields: Fields): Buffer {
  return headers(1, { ...okFields, ...fields }, Flag.END_STREAM);
}
