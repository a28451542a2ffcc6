import type { Socket } from 'node:net';
import {
  ClientStream,
  initialWindow,
  type OpenStream,
  type StreamEnd,
  type StreamListener,
  type StreamOwner,
} from './client-stream';
import { FrameAllowance } from './frame-allowance';
import { FrameReader, type FrameListener } from './frame-reader';
import {
  ConnectionError,
  ErrorCode,
  Flag,
  frame,
  Frame,
  frameHeadSize,
  goAway,
  maxFrameSize,
  Setting,
  settings,
  violation,
  wordFrame,
  writeHead,
} from './frames';
import { HpackDecoder, HpackError, MalformedHeaders, type Headers } from './hpack';
import { StreamQueue, StreamTable } from './streams';

const complete: StreamEnd = { how: 'complete' };
const unsent: StreamEnd = { how: 'unsent' };
const refused: StreamEnd = { how: 'reset', code: ErrorCode.REFUSED_STREAM };

/** What a session tells its owner. */
export interface SessionListener {
  /** The server has sent its settings: requests may go out. */
  ready(): void;
  /** No more requests are taken; those under way may still complete. Called once, before `closed`. */
  retired(why: Retirement): void;
  /** The connection is gone. Called once. */
  closed(): void;
}

/** Why a session takes no more requests. */
export interface Retirement {
  /** An error code (RFC 9113, 7): that of the server's GOAWAY, where it sent one. */
  readonly code: number;
  /** What went wrong, for people. */
  readonly error: Error;
}

const largestWindow = 2 ** 31 - 1;
/** So large that it limits nothing: a stream that is not read must not hold up others, and has a window of its own. */
const connectionWindow = 16 * 1024 * 1024;
const largestStreamId = 2 ** 31 - 1;
/** Bytes. */
const maxHeaderListSize = 64 * 1024;
/** Bytes of answers to pings and settings that may wait to be sent, before the connection to such a server is closed. */
const maxUnreadAnswers = 1024 * 1024;
/** Bytes that may wait to be sent. Beyond that, bodies wait too, whatever the windows allow. */
const maxUnread = 1024 * 1024;
/** As many bytes as a setting, or a GOAWAY, costs: each is acted upon. */
const bytesOfSetting = 256;
const bytesOfGoAway = 1024 * 1024;
/** Ms that a connection may take to end by itself once it is done. */
const lingerTimeout = 1_000;
/**
 * Begins the first header block of a connection: the client's dynamic table has a size of 0 (RFC 7541, 6.3). Servers that
 * allow less than the default require such an update (4.2).
 */
const noTable = '\x20';

/**
 * The client's side of an HTTP/2 connection (RFC 9113), as far as gRPC needs it: requests whose bodies are there when they
 * begin, no priorities, no pushes.
 *
 * node:http2 spends several times what the rest of a gRPC call costs on a request: a duplex stream, its events, and a
 * `write` of its own. Here a request is a few bytes in what the event loop's turn sends anyway.
 */
export class ClientSession implements StreamOwner, FrameListener {
  private readonly reader = new FrameReader(this);
  private readonly allowance = new FrameAllowance();
  private readonly streams = new StreamTable<ClientStream>();
  /** Requests beyond what the server takes at once, in the order that they came in. */
  private readonly queue = new StreamQueue<ClientStream>();
  /** Streams whose bodies wait for windows, or for what waits to be sent already. They are few, so a Set will do. */
  private readonly blocked = new Set<ClientStream>();
  private readonly decoder = new HpackDecoder(maxHeaderListSize);
  private readonly pings: (() => void)[] = [];
  private nextId = 1;
  /** Requests from this one on are in {@link output} still. */
  private firstUnsent = 1;
  private maxStreams = Infinity;
  private peerInitialWindow = initialWindow;
  /** {@link peerInitialWindow} when the windows of all streams were last checked. */
  private usedInitialWindow = initialWindow;
  /** True from a change of windows until all streams have been checked. */
  private haveWindowsChanged = false;
  private peerMaxFrameSize = maxFrameSize;
  private sendWindow = initialWindow;
  private receiveWindow = connectionWindow;
  private output: Buffer[] = [];
  /** The last request that the server processes, by its GOAWAY. */
  private lastTaken = Infinity;
  /** Bytes of {@link output}. */
  private outputSize = 0;
  /** Bytes of answers since the socket was last drained. */
  private unreadAnswers = 0;
  private isReady = false;
  /** How often something came from the server. */
  received = 0;
  private retirement: Retirement | undefined;
  private linger: NodeJS.Timeout | undefined;

  /** @param socket - A plain one, or TLS; connected or about to be. */
  constructor(
    private readonly socket: Socket,
    private readonly listener: SessionListener,
  ) {
    this.send(preface);
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('error', (error) => this.retire(ErrorCode.INTERNAL_ERROR, error));
    // Requests under way cannot complete.
    socket.on('end', () => this.destroy(new Error('closed by the server')));
    socket.on('close', () => this.lose());
  }

  /** True while requests are taken. */
  get isOpen(): boolean {
    return this.isReady && this.retirement === undefined;
  }

  /** Requests under way, including those that wait for their turn. */
  get size(): number {
    return this.streams.size + this.queue.size;
  }

  /**
   * Sends a request.
   *
   * @param headers - A header block, as text of one byte each character.
   * @returns undefined where no more requests are taken
   */
  request(headers: string, body: Buffer, listener: StreamListener): OpenStream | undefined {
    if (!this.isOpen) return undefined;
    const stream = new ClientStream(this, headers, body, listener);
    if (this.streams.size < this.maxStreams) this.begin(stream);
    else this.queue.add(stream);
    return stream;
  }

  /** Asks whether the server is there. */
  ping(answered: () => void): void {
    this.pings.push(answered);
    this.send(frame(Frame.PING, 0, 0, Buffer.alloc(8)));
  }

  /** Takes no more requests, and closes the connection when those under way have ended. */
  close(reason: Error): void {
    if (this.isReady) this.retire(ErrorCode.NO_ERROR, reason);
    else this.destroy(reason);
  }

  /** Closes the connection at once; requests under way are lost. */
  destroy(error: Error): void {
    this.socket.destroy();
    this.retire(ErrorCode.NO_ERROR, error);
  }

  drop(stream: ClientStream, code: number | undefined): boolean {
    if (stream.id === 0) return this.queue.delete(stream);
    if (!this.streams.delete(stream)) return false;
    this.blocked.delete(stream);
    if (code !== undefined) {
      this.allowance.earnReset();
      this.send(wordFrame(Frame.RST_STREAM, stream.id, code));
    }
    this.proceed();
    return true;
  }

  grant(streamId: number, increment: number): void {
    this.send(wordFrame(Frame.WINDOW_UPDATE, streamId, increment));
  }

  private begin(stream: ClientStream): void {
    const id = this.nextId;
    this.nextId += 2;
    stream.id = id;
    this.streams.add(stream);
    const { body } = stream;
    this.allowance.earnCall(body.length);
    const headers = id === 1 ? noTable + stream.headers : stream.headers;
    const fits = !this.isFull && body.length <= Math.min(this.sendWindow, this.windowOf(stream), this.peerMaxFrameSize);
    if (fits && headers.length <= maxFrameSize) {
      const bodyAt = frameHeadSize + headers.length + frameHeadSize;
      const bytes = Buffer.allocUnsafe(bodyAt + body.length);
      writeHead(bytes, 0, headers.length, Frame.HEADERS, Flag.END_HEADERS, id);
      bytes.write(headers, frameHeadSize, 'latin1');
      writeHead(bytes, bodyAt - frameHeadSize, body.length, Frame.DATA, Flag.END_STREAM, id);
      bytes.set(body, bodyAt);
      this.send(bytes);
      this.sendWindow -= body.length;
      stream.credit -= body.length;
      stream.sent = body.length;
    } else {
      this.sendHeaders(id, Buffer.from(headers, 'latin1'));
      this.sendBody(stream);
    }
    if (this.nextId > largestStreamId) this.retire(ErrorCode.NO_ERROR, new Error('the connection is used up'));
  }

  private sendHeaders(id: number, block: Buffer): void {
    for (let at = 0; at === 0 || at < block.length; at += maxFrameSize) {
      const end = Math.min(block.length, at + maxFrameSize);
      const flags = end === block.length ? Flag.END_HEADERS : 0;
      this.send(frame(at === 0 ? Frame.HEADERS : Frame.CONTINUATION, flags, id, block.subarray(at, end)));
    }
  }

  /** Bytes that a stream may send; negative where the server has reduced its window. */
  private windowOf({ credit }: ClientStream): number {
    return this.peerInitialWindow + credit;
  }

  /** True while bodies have to wait for what is to be sent already. */
  private get isFull(): boolean {
    return this.socket.writableLength + this.outputSize >= maxUnread;
  }

  /** Sends as much of a body as may be sent now. */
  private sendBody(stream: ClientStream): void {
    const { id, body } = stream;
    for (;;) {
      const left = body.length - stream.sent;
      const size = Math.min(left, this.sendWindow, this.windowOf(stream), this.peerMaxFrameSize);
      if (this.isFull || (size <= 0 && left > 0)) {
        this.blocked.add(stream);
        return;
      }
      const isLast = size === left;
      const chunk = body.subarray(stream.sent, stream.sent + size);
      this.send(frame(Frame.DATA, isLast ? Flag.END_STREAM : 0, id, chunk));
      stream.sent += size;
      stream.credit -= size;
      this.sendWindow -= size;
      if (isLast) {
        this.blocked.delete(stream);
        return;
      }
    }
  }

  /** Sends bytes together with all others of this turn of the event loop. */
  private send(bytes: Buffer): void {
    this.outputSize += bytes.length;
    if (this.output.push(bytes) === 1) setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    const { output } = this;
    this.output = [];
    this.outputSize = 0;
    if (this.socket.destroyed || this.socket.writableEnded) return;
    this.firstUnsent = this.nextId;
    this.socket.write(output.length === 1 ? output[0]! : Buffer.concat(output), this.written);
    if (this.retirement && this.streams.size === 0) this.hangUp();
  };

  private readonly written = (): void => {
    if (this.blocked.size > 0) this.unblock();
  };

  /** Ends the connection once everything is sent, or cannot be. */
  private hangUp(): void {
    if (this.socket.destroyed || this.linger) return;
    this.linger = setTimeout(() => this.socket.destroy(), lingerTimeout);
    this.socket.write(goAway(ErrorCode.NO_ERROR));
    this.socket.destroySoon();
  }

  private receive(chunk: Buffer): void {
    this.received += 1;
    try {
      this.reader.read(chunk);
      // Once for all frames of a chunk, since it takes work for every stream.
      if (this.haveWindowsChanged && !this.isOver) this.useWindows();
    } catch (error) {
      this.fail(error);
    }
  }

  /** True once the connection is gone. */
  get isOver(): boolean {
    return this.socket.destroyed;
  }

  /** The stream of a frame; undefined for one that has ended here. */
  private streamOf(id: number): ClientStream | undefined {
    if (id % 2 === 0 || id >= this.nextId) throw violation('a frame is for a stream that was not opened');
    return this.streams.get(id);
  }

  onData(id: number, chunk: Buffer, flowSize: number, isLast: boolean): void {
    const stream = this.streamOf(id);
    if (!stream) this.allowance.spend(flowSize);
    else if (chunk.length === 0 && !isLast) this.allowance.spend();
    this.receiveWindow -= flowSize;
    if (this.receiveWindow < connectionWindow / 2) {
      this.grant(0, connectionWindow - this.receiveWindow);
      this.receiveWindow = connectionWindow;
    }
    if (!stream) return;
    if (!stream.hasHeaders) {
      this.abandon(stream, ErrorCode.PROTOCOL_ERROR, new Error('a body comes before its headers'));
      return;
    }
    stream.received(flowSize, isLast);
    if (chunk.length > 0) stream.listener.data(chunk);
    if (isLast) this.finish(stream, complete);
  }

  onHeaders(id: number, block: Buffer, isLast: boolean): void {
    const stream = this.streamOf(id);
    if (!stream) this.spendOnHeaders(block);
    // The decoder must see the blocks of streams that have ended, too.
    let headers: Headers;
    try {
      headers = this.decoder.decode(block);
    } catch (error) {
      if (!(error instanceof MalformedHeaders)) throw error;
      if (stream) this.abandon(stream, ErrorCode.PROTOCOL_ERROR, error);
      return;
    }
    if (!stream) return;
    const status = headers[':status'];
    const problem = problemOf(status, stream.hasHeaders, isLast);
    if (problem !== undefined) {
      this.abandon(stream, ErrorCode.PROTOCOL_ERROR, new Error(problem));
      return;
    }
    if (stream.hasHeaders) {
      stream.listener.trailers(headers);
    } else {
      if (status!.startsWith('1')) {
        this.spendOnHeaders(block);
        return;
      }
      stream.hasHeaders = true;
      stream.listener.headers(headers, isLast);
    }
    if (isLast) this.finish(stream, complete);
  }

  /** Decoding takes more time for a byte than reading does. */
  private spendOnHeaders(block: Buffer): void {
    this.allowance.spend(block.length * 16);
  }

  onReset(id: number, code: number): void {
    const stream = this.streamOf(id);
    if (stream) this.finish(stream, { how: 'reset', code });
    else this.allowance.spend();
  }

  onSettings(values: readonly (readonly [setting: number, value: number])[]): void {
    this.allowance.spend(values.length * bytesOfSetting);
    for (const [setting, value] of values) this.set(setting, value);
    this.answer(frame(Frame.SETTINGS, Flag.ACK, 0, Buffer.alloc(0)));
    if (!this.isReady) {
      this.isReady = true;
      if (!this.retirement) this.listener.ready();
    }
    this.proceed();
  }

  private set(setting: number, value: number): void {
    if (setting === Setting.ENABLE_PUSH) {
      if (value !== 0) throw violation('a server cannot be pushed to');
    } else if (setting === Setting.MAX_CONCURRENT_STREAMS) {
      this.maxStreams = value;
    } else if (setting === Setting.INITIAL_WINDOW_SIZE) {
      if (value > largestWindow) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window is too large');
      this.peerInitialWindow = value;
      this.haveWindowsChanged = true;
    } else if (setting === Setting.MAX_FRAME_SIZE) {
      if (value < maxFrameSize || value >= 2 ** 24) throw violation('a frame size is out of range');
      this.peerMaxFrameSize = value;
    }
    // HEADER_TABLE_SIZE does not matter: see noTable.
  }

  onPing(payload: Buffer, isAnswer: boolean): void {
    this.allowance.spend();
    if (isAnswer) this.pings.shift()?.();
    else this.answer(frame(Frame.PING, Flag.ACK, 0, payload));
  }

  onGoAway(lastId: number, code: number, debug: string): void {
    // Whoever sends several has all streams looked through each time.
    this.allowance.spend(bytesOfGoAway);
    if (lastId >= this.lastTaken) return;
    this.lastTaken = lastId;
    this.retire(code, new Error(`the server goes away${debug === '' ? '' : `: ${debug}`}`));
    for (const stream of this.streams.all()) {
      if (stream.id > lastId) this.finish(stream, this.isUnsent(stream) ? unsent : refused);
    }
  }

  onIdle(size: number): void {
    this.allowance.spend(size);
  }

  onWindowUpdate(id: number, increment: number): void {
    this.allowance.spend();
    if (id === 0) {
      if (increment === 0) throw violation('a window grows by nothing');
      this.sendWindow += increment;
      if (this.sendWindow > largestWindow) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window is too large');
      }
      this.haveWindowsChanged = true;
      return;
    }
    const stream = this.streamOf(id);
    if (!stream) return;
    stream.credit += increment;
    if (increment === 0) {
      this.abandon(stream, ErrorCode.PROTOCOL_ERROR, new Error('a window grows by nothing'));
    } else if (this.windowOf(stream) > largestWindow) {
      this.abandon(stream, ErrorCode.FLOW_CONTROL_ERROR, new Error('a window is too large'));
    } else if (this.blocked.has(stream)) {
      this.sendBody(stream);
    }
  }

  private useWindows(): void {
    this.haveWindowsChanged = false;
    const hasGrown = this.peerInitialWindow > this.usedInitialWindow;
    this.usedInitialWindow = this.peerInitialWindow;
    if (hasGrown && this.streams.all().some((stream) => this.windowOf(stream) > largestWindow)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window is too large');
    }
    this.unblock();
  }

  private unblock(): void {
    for (const stream of this.blocked) {
      if (this.sendWindow <= 0 || this.isFull) return;
      this.sendBody(stream);
    }
  }

  /** Sends what the server has asked for, unless it does not read the answers. */
  private answer(bytes: Buffer): void {
    this.unreadAnswers = this.socket.writableLength === 0 ? bytes.length : this.unreadAnswers + bytes.length;
    if (this.unreadAnswers > maxUnreadAnswers) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'the server does not read what it asks for');
    }
    this.send(bytes);
  }

  /** Ends a stream that the server has ended. */
  private finish(stream: ClientStream, end: StreamEnd): void {
    // The rest of the body is not sent.
    const isCutOff = end === complete && stream.sent < stream.body.length;
    if (this.drop(stream, isCutOff ? ErrorCode.CANCEL : undefined)) stream.listener.closed(end);
  }

  /** Ends a stream on which the server violates the protocol. */
  private abandon(stream: ClientStream, code: number, error: Error): void {
    if (this.drop(stream, code)) stream.listener.closed({ how: 'broken', error });
  }

  private isUnsent(stream: ClientStream): boolean {
    return stream.id >= this.firstUnsent;
  }

  /** Sends requests that wait, as far as the server takes them. */
  private proceed(): void {
    if (this.retirement) {
      if (this.streams.size === 0 && this.output.length === 0) this.hangUp();
      return;
    }
    while (this.queue.size > 0 && this.streams.size < this.maxStreams) this.begin(this.queue.shift()!);
  }

  private retire(code: number, error: Error): void {
    if (this.retirement) return;
    this.retirement = { code, error };
    this.listener.retired(this.retirement);
    for (let stream = this.queue.shift(); stream; stream = this.queue.shift()) stream.listener.closed(unsent);
    this.proceed();
  }

  private fail(error: unknown): void {
    if (!(error instanceof ConnectionError) && !(error instanceof HpackError)) throw error;
    const code = error instanceof ConnectionError ? error.code : ErrorCode.COMPRESSION_ERROR;
    this.socket.write(goAway(code));
    this.destroy(error);
  }

  private lose(): void {
    clearTimeout(this.linger);
    this.retire(ErrorCode.NO_ERROR, new Error('closed by the server'));
    const lost: StreamEnd = { how: 'lost', error: this.retirement!.error };
    for (const stream of this.streams.all()) {
      if (this.streams.delete(stream)) stream.listener.closed(this.isUnsent(stream) ? unsent : lost);
    }
    this.blocked.clear();
    this.listener.closed();
  }
}

/** What is wrong with the headers of a response (RFC 9113, 8.1), if anything. */
function problemOf(status: string | undefined, areTrailers: boolean, isLast: boolean): string | undefined {
  if (areTrailers) {
    if (!isLast) return 'trailers are not the end';
    return status === undefined ? undefined : 'trailers have a status';
  }
  if (status === undefined || !/^[1-5]\d\d$/.test(status)) return 'a response has no status';
  return isLast && status.startsWith('1') ? 'an informational response is the end' : undefined;
}

/** What a client begins with (RFC 9113, 3.4). */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  settings([
    [Setting.ENABLE_PUSH, 0],
    [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListSize],
  ]),
  wordFrame(Frame.WINDOW_UPDATE, 0, connectionWindow - initialWindow),
]);
