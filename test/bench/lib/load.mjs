/**
 * The load generator, as a process of its own that the parent speaks to over IPC. A closed loop: each connection has one
 * request under way and sends the next when it has the whole answer. It writes bytes that were made beforehand to plain
 * sockets and reads only as much HTTP/1.1 as it takes to find the end of an answer, since on a machine of two cores every
 * microsecond here is one that the gateway under test waits for. Every answer is compared with what is expected.
 */
import { connect } from 'node:net';
import { cpuSeconds } from './proc.mjs';

const headEnd = Buffer.from('\r\n\r\n');

/** Reads answers off one connection, one after the other. */
class Connection {
  constructor(port, onAnswer, onEnd) {
    this.onAnswer = onAnswer;
    this.pending = undefined;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', (error) => onEnd(error));
    this.socket.on('close', () => onEnd(new Error('the gateway closed a connection')));
  }

  send(bytes) {
    this.began = performance.now();
    this.socket.write(bytes);
  }

  read(chunk) {
    const bytes = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    const answer = parseAnswer(bytes);
    if (!answer) {
      this.pending = bytes;
      return;
    }
    this.pending = answer.end < bytes.length ? bytes.subarray(answer.end) : undefined;
    this.onAnswer(this, answer);
  }
}

/** An answer once it is whole, with where it ends. */
function parseAnswer(bytes) {
  const headLength = bytes.indexOf(headEnd);
  if (headLength < 0) return undefined;
  const head = bytes.latin1Slice(0, headLength + 2);
  const status = Number(head.slice(9, 12));
  const start = headLength + 4;
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return end <= bytes.length ? { status, body: bytes.subarray(start, end), end } : undefined;
  }
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return parseChunks(bytes, status, start);
  return { status, body: Buffer.alloc(0), end: start };
}

function parseChunks(bytes, status, start) {
  const parts = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.latin1Slice(at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (end > bytes.length) return undefined;
    if (size === 0) return { status, body: parts.length === 1 ? parts[0] : Buffer.concat(parts), end };
    parts.push(bytes.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}

function isExpected({ status, body }, expected) {
  if (status !== expected.status) return false;
  return expected.body ? body.equals(expected.body) : body.includes(expected.includes);
}

/**
 * Sends requests for a while, in rotation, and says what it came to.
 *
 * @param requests - `{ bytes, status, body | includes }` each
 * @param warmupMs - Not measured, but checked.
 * @param warmupCount - How many requests the warm-up goes on for, if that takes longer.
 * @param limitMs - How long it may take for that.
 * @param measureMs - What is measured, longer where answers are slow; 0 for the warm-up alone.
 * @param pid - The process whose CPU time is read.
 */
function run({ port, pid, connections, requests, offset, warmupMs, warmupCount = 0, measureMs, limitMs = 5_000 }) {
  return new Promise((resolve, reject) => {
    const open = new Set();
    const latencies = [];
    let next = offset;
    let sent = 0;
    let checked = 0;
    let measuring = false;
    let finished = false;
    let cpu = 0;
    const begin = performance.now();
    let measureBegin = 0;
    let result;
    // New connections cost more than the requests that follow on them.
    const leastWarmup = Math.max(warmupCount, 3 * connections);
    // Of a handful of answers, the requests that were under way at the beginning would be too large a part.
    const leastMeasured = 4 * connections;

    const finish = (error) => {
      if (finished) return;
      finished = true;
      clearTimeout(guard);
      for (const { socket } of open) socket.destroy();
      if (error) reject(error);
      else resolve(result);
    };
    const guard = setTimeout(
      () => finish(new Error('answers stopped coming')),
      Math.max(warmupMs, limitMs) + 4 * measureMs + 20_000,
    );

    function turn(now) {
      if (!measuring) {
        const elapsed = now - begin;
        if (elapsed < warmupMs || (checked < leastWarmup && elapsed < limitMs)) return true;
        if (measureMs === 0) {
          result = { requests: checked, offset: next };
          return false;
        }
        measuring = true;
        latencies.length = 0;
        cpu = cpuSeconds(pid);
        measureBegin = performance.now();
        return true;
      }
      const measured = now - measureBegin;
      if (measured < measureMs || (latencies.length < leastMeasured && measured < 4 * measureMs)) return true;
      const seconds = (performance.now() - measureBegin) / 1000;
      const used = cpuSeconds(pid) - cpu;
      latencies.sort((a, b) => a - b);
      const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
      result = {
        requests: latencies.length,
        offset: next,
        cpuPerRequest: (used * 1e6) / latencies.length,
        cpuShare: used / seconds,
        throughput: latencies.length / seconds,
        p50: at(0.5),
        p99: at(0.99),
      };
      return false;
    }

    function onAnswer(connection, answer) {
      if (finished) return;
      const now = performance.now();
      const { request } = connection;
      if (!isExpected(answer, request)) {
        const wanted = request.body ?? request.includes;
        finish(
          new Error(
            `wrong answer: ${answer.status} ${clip(answer.body)}\nexpected: ${request.status} ${clip(wanted)}\nto: ${clip(request.bytes)}`,
          ),
        );
        return;
      }
      checked++;
      if (measuring) latencies.push(now - connection.began);
      if (turn(now)) sendNext(connection);
      else finish();
    }

    function sendNext(connection) {
      connection.request = requests[next % requests.length];
      next++;
      sent++;
      connection.send(connection.request.bytes);
    }

    for (let index = 0; index < connections; index++) {
      const connection = new Connection(port, onAnswer, (error) => {
        if (!finished) finish(new Error(`after ${sent} requests: ${error.message}`));
      });
      open.add(connection);
      sendNext(connection);
    }
  });
}

const clip = (text) => String(text).slice(0, 600);

const streams = new Set();

/** Opens streams, a few at a time, and resolves when each has had its first event. They stay open. */
async function openStreams({ port, bytes, count, atOnce = 50 }) {
  for (let index = 0; index < count; index += atOnce) {
    const batch = Array.from({ length: Math.min(atOnce, count - index) }, () => openStream(port, bytes));
    await Promise.all(batch);
  }
  return { open: streams.size };
}

function openStream(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    const timer = setTimeout(() => reject(new Error(`no event on a stream: ${clip(text)}`)), 15_000);
    streams.add(socket);
    socket.on('error', reject);
    socket.on('close', () => streams.delete(socket));
    socket.on('data', (chunk) => {
      if (text.includes('event: next')) return;
      text += chunk.toString('latin1');
      if (text.includes('\r\n\r\n') && !text.startsWith('HTTP/1.1 200')) reject(new Error(`no stream: ${clip(text)}`));
      if (!text.includes('event: next')) return;
      clearTimeout(timer);
      resolve();
    });
    socket.write(bytes);
  });
}

async function closeStreams() {
  const { size } = streams;
  for (const socket of streams) socket.destroy();
  return { closed: size };
}

/**
 * Opens streams one after the other, and leaves each at its first event.
 *
 * @returns when that was, in ns of the machine's clock
 */
async function timeStreams({ port, bytes, count }) {
  const times = [];
  for (let index = 0; index < count; index += 1) {
    times.push(await timeStream(port, bytes));
    // So that the upstream has seen the end of one before the next begins.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return times;
}

function timeStream(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    socket.setTimeout(15_000, () => socket.destroy(new Error(`no event on a stream: ${clip(text)}`)));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('data: ')) return;
      resolve(Number(process.hrtime.bigint()));
      socket.destroy();
    });
    socket.write(bytes);
  });
}

const commands = { run, openStreams, closeStreams, timeStreams, countStreams: async () => ({ open: streams.size }) };

process.on('disconnect', () => process.exit(0));
process.on('message', ({ id, command, options }) => {
  commands[command](options).then(
    (value) => process.send({ id, value }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.send('ready');
