import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { closeLater, framed, Sockets, turn, until } from './client-fixture';

/** Frame types (RFC 9113, 6). */
export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const Flag = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;
const { END_STREAM, END_HEADERS } = Flag;

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
} as const;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array | string = ''): Buffer {
  const body = Buffer.from(payload as string);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Settings, by their numbers. */
export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const payload = Object.entries(values).map(([setting, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(Number(setting));
    entry.writeUInt32BE(value, 2);
    return entry;
  });
  return frame(Type.SETTINGS, 0, 0, Buffer.concat(payload));
}

export const windowUpdate = (id: number, increment: number): Buffer =>
  frame(Type.WINDOW_UPDATE, 0, id, word(increment));
export const reset = (id: number, code: number): Buffer => frame(Type.RST_STREAM, 0, id, word(code));
export const goAway = (lastId: number, code = 0, debug = ''): Buffer =>
  frame(Type.GOAWAY, 0, 0, Buffer.concat([word(lastId), word(code), Buffer.from(debug)]));

/** The payload of a frame with padding, which such a frame says by {@link Flag.PADDED}. */
export function padded(payload: Uint8Array, padding: number): Buffer {
  return Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);
}

export type Fields = Readonly<Record<string, string>>;

/** A header block of literals without indexing and without Huffman (RFC 7541, 6.2.2). Texts of up to 16 KB. */
export function block(fields: Fields): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const rest = bytes.length - 127;
    return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes]);
  };
  return Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export const okFields: Fields = { ':status': '200', 'content-type': 'application/grpc' };

export const headers = (id: number, fields: Fields = okFields, flags = 0): Buffer =>
  frame(Type.HEADERS, END_HEADERS | flags, id, block(fields));
export const data = (id: number, payload: Uint8Array, flags = 0): Buffer => frame(Type.DATA, flags, id, payload);
export const trailers = (id: number, fields: Fields = { 'grpc-status': '0' }): Buffer =>
  headers(id, fields, END_STREAM);

/** A whole answer. */
export function answer(id: number, message: string | Buffer = `answer ${id}`, fields?: Fields): Buffer {
  return Buffer.concat([headers(id), data(id, framed(message)), trailers(id, fields)]);
}

/** A connection of a raw server: what the client has sent, and whatever the test sends. */
export class Peer {
  /** All frames, in their order; behind the preface. */
  readonly frames: RawFrame[] = [];
  hasEnded = false;
  /** Called for every request that has come whole. */
  onRequest: ((id: number) => void) | undefined;
  private input: Buffer = Buffer.alloc(0);
  private hasPreface = false;
  private seenRequests = 0;

  constructor(readonly socket: Socket) {
    socket.setNoDelay();
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('close', () => {
      this.hasEnded = true;
    });
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Sends parts one by one, as far as TCP lets them be told apart. */
  async sendApart(parts: Iterable<Uint8Array>): Promise<void> {
    for (const part of parts) {
      if (this.socket.destroyed) return;
      this.socket.write(part);
      await turn();
    }
  }

  /** The first frame that is so, now or later. */
  frame(accept: (frame: RawFrame) => boolean): Promise<RawFrame> {
    return until(
      () => this.frames.find(accept),
      (found) => found !== undefined,
    ) as Promise<RawFrame>;
  }

  /** The stream of the next request, once it has come whole. */
  async request(): Promise<number> {
    const nth = this.seenRequests++;
    const { id } = (await until(
      () => this.of(Type.HEADERS)[nth],
      (found) => found !== undefined,
    )) as RawFrame;
    await this.frame((each) => each.id === id && each.type === Type.DATA && (each.flags & END_STREAM) !== 0);
    return id;
  }

  /** Frames of a type, so far. */
  of(type: number): RawFrame[] {
    return this.frames.filter((each) => each.type === type);
  }

  /** Bytes of bodies, so far. */
  get received(): number {
    return this.of(Type.DATA).reduce((sum, { payload }) => sum + payload.length, 0);
  }

  /** Waits until the client has read and answered everything. */
  async settle(): Promise<void> {
    const mark = Buffer.from(String(this.frames.length).padStart(8, '0'));
    this.send(frame(Type.PING, 0, 0, mark));
    await this.frame((each) => each.type === Type.PING && each.payload.equals(mark));
  }

  /** Waits for the end of the connection. */
  async ended(): Promise<void> {
    await until(() => this.hasEnded);
  }

  /** The code of the GOAWAY that the client has sent before it ended the connection. */
  async complaint(): Promise<number> {
    const { payload } = await this.frame(({ type }) => type === Type.GOAWAY);
    await this.ended();
    return payload.readUInt32BE(4);
  }

  private receive(chunk: Buffer): void {
    this.input = Buffer.concat([this.input, chunk]);
    if (!this.hasPreface) {
      if (this.input.length < 24) return;
      this.hasPreface = this.input.toString('latin1', 0, 24) === 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
      if (!this.hasPreface) throw new Error('no preface');
      this.input = this.input.subarray(24);
    }
    while (this.input.length >= 9) {
      const end = 9 + this.input.readUIntBE(0, 3);
      if (this.input.length < end) return;
      const { input } = this;
      this.frames.push({
        type: input[3]!,
        flags: input[4]!,
        id: input.readUInt32BE(5),
        payload: input.subarray(9, end),
      });
      this.input = input.subarray(end);
      const { type, flags, id } = this.frames.at(-1)!;
      if (type === Type.DATA && (flags & END_STREAM) !== 0) this.onRequest?.(id);
    }
  }
}

/** A server that speaks whatever frames a test wants. */
export interface RawServer {
  readonly port: number;
  /** Connections, in the order that they came in. */
  readonly peers: readonly Peer[];
  /** The nth connection, now or later. Without settings, unless the server sends them. */
  peer(nth: number): Promise<Peer>;
  /** Ends all of them, and takes no more. */
  close(): void;
}

/** @param onPeer - What the server does with a connection; it sends its settings where this is left out. */
export async function startRawServer(
  onPeer: (peer: Peer, nth: number) => unknown = (peer) => peer.send(settings()),
  host = '127.0.0.1',
  port = 0,
): Promise<RawServer> {
  const peers: Peer[] = [];
  const sockets = new Sockets();
  const server = createServer((socket) => {
    sockets.add(socket);
    const peer = new Peer(socket);
    peers.push(peer);
    void onPeer(peer, peers.length - 1);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const close = (): void => {
    sockets.destroy();
    server.close();
  };
  closeLater(close);
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    peer: (nth) =>
      until(
        () => peers[nth],
        (found) => found !== undefined,
      ) as Promise<Peer>,
    close,
  };
}

/** Answers every request of a connection as a server does that has nothing against it. */
export function behave(peer: Peer): void {
  peer.onRequest = (id) => peer.send(answer(id));
  peer.send(settings());
}
