import { decodeHuffman } from './huffman';
import { staticTable } from './static-table';

/** The headers of a message, names in lower case; those that came more than once joined by commas. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** A header block that no decoder can read: the connection is of no use any more (RFC 7541, 2.3.2 and 5.1). */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}

/** Headers that could be read and are not allowed: the message is of no use, the connection goes on (RFC 9113, 8.1.1). */
export class MalformedHeaders extends Error {
  override readonly name = 'MalformedHeaders';
}

/** Bytes of the dynamic table, unless told otherwise: SETTINGS_HEADER_TABLE_SIZE as it is at first. */
const tableSize = 4096;
/** Bytes that an entry takes beside its text (RFC 7541, 4.1). */
const entryOverhead = 32;

interface Entry {
  readonly name: string;
  readonly value: string;
  /** Bytes that it takes in a table (RFC 7541, 4.1). */
  readonly size: number;
  /** Whether a response may have it. Found out once, since most fields come out of a table. */
  readonly isAllowed: boolean;
}

/** Characters of names (RFC 9113, 8.2.1). */
const fieldName = /^[!-9;-@[-~]+$/;
/** What values never hold (8.2.1). White space at their ends is let pass: gRPC has it in messages. */
// oxlint-disable-next-line no-control-regex
const forbiddenInValue = /[\0\r\n]/;
/** Fields that speak of an HTTP/1 connection (8.2.2). */
const connectionFields = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

function isAllowedName(name: string): boolean {
  return name === ':status' || (fieldName.test(name) && !connectionFields.has(name));
}

function makeEntry(name: string, value: string, hasAllowedName: boolean): Entry {
  return {
    name,
    value,
    size: name.length + value.length + entryOverhead,
    isAllowed: hasAllowedName && !forbiddenInValue.test(value),
  };
}

const staticEntries: readonly Entry[] = staticTable.map(([name, value = '']) =>
  makeEntry(name, value, isAllowedName(name)),
);

/** Reads the header blocks of responses (HPACK, RFC 7541). One for each connection: blocks refer to those before them. */
export class HpackDecoder {
  /** The newest first. */
  private readonly dynamic: Entry[] = [];
  private dynamicSize = 0;
  private capacity = tableSize;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;

  /** @param maxListSize - What the headers of a block may take, counted as in SETTINGS_MAX_HEADER_LIST_SIZE. */
  constructor(private readonly maxListSize: number) {}

  /**
   * @throws HpackError
   * @throws MalformedHeaders - The next block can be read all the same.
   */
  decode(block: Buffer): Headers {
    this.bytes = block;
    this.at = 0;
    this.end = block.length;
    const headers: Record<string, string> = Object.create(null) as Record<string, string>;
    let size = 0;
    let isPastPseudo = false;
    let problem: string | undefined;
    while (this.at < this.end) {
      const entry = this.field();
      if (!entry) {
        if (size > 0) throw new HpackError('the size of the table changes within a block');
        continue;
      }
      const { name, value } = entry;
      size += entry.size;
      // What comes behind a problem is read for the table's sake alone.
      if (problem !== undefined) continue;
      const isPseudo = name === ':status';
      if (!entry.isAllowed || (isPseudo && isPastPseudo)) {
        problem = `the header ${JSON.stringify(name.slice(0, 64))} is not allowed`;
      } else if (size > this.maxListSize) {
        problem = `the headers are over ${this.maxListSize} bytes`;
      }
      isPastPseudo ||= !isPseudo;
      const earlier = headers[name];
      headers[name] = earlier === undefined ? value : `${earlier},${value}`;
    }
    if (problem !== undefined) throw new MalformedHeaders(problem);
    return headers;
  }

  /** The next field; undefined for a change of the table's size. */
  private field(): Entry | undefined {
    const first = this.bytes[this.at]!;
    // Indexed (6.1).
    if (first & 0x80) return this.entry(this.integer(7));
    // Literal with incremental indexing (6.2.1).
    if (first & 0x40) return this.add(this.literal(6));
    // Table size update (6.3).
    if (first & 0x20) {
      const capacity = this.integer(5);
      if (capacity > tableSize) throw new HpackError('the table would be larger than allowed');
      this.capacity = capacity;
      this.evict();
      return undefined;
    }
    // Literal without indexing, or never indexed (6.2.2, 6.2.3).
    return this.literal(4);
  }

  private literal(prefix: number): Entry {
    const index = this.integer(prefix);
    const name = index === 0 ? this.string() : this.entry(index).name;
    return makeEntry(name, this.string(), isAllowedName(name));
  }

  private entry(index: number): Entry {
    const entry =
      index <= staticEntries.length ? staticEntries[index - 1] : this.dynamic[index - staticEntries.length - 1];
    if (!entry) throw new HpackError(`there is no entry ${index}`);
    return entry;
  }

  private add(entry: Entry): Entry {
    this.dynamic.unshift(entry);
    this.dynamicSize += entry.size;
    this.evict();
    return entry;
  }

  private evict(): void {
    while (this.dynamicSize > this.capacity) this.dynamicSize -= this.dynamic.pop()!.size;
  }

  /** An integer whose first bits are the last of the next byte (5.1). */
  private integer(prefix: number): number {
    const most = (1 << prefix) - 1;
    let value = this.byte() & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new HpackError('a number is too large');
      const next = this.byte();
      value += (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
  }

  /** A string literal (5.2). */
  private string(): string {
    const isHuffman = (this.bytes[this.at] ?? 0) >= 0x80;
    const length = this.integer(7);
    const start = this.at;
    this.at += length;
    if (this.at > this.end) throw new HpackError('the block breaks off');
    if (!isHuffman) return this.bytes.toString('latin1', start, this.at);
    const text = decodeHuffman(this.bytes, start, this.at);
    if (text === undefined) throw new HpackError('a string is not Huffman-coded as it says');
    return text;
  }

  private byte(): number {
    if (this.at >= this.end) throw new HpackError('the block breaks off');
    return this.bytes[this.at++]!;
  }
}

/**
 * Writes a header without the dynamic table (RFC 7541, 6.1 and 6.2.2), as text of one byte each character. Such blocks
 * depend on nothing that was sent before, and so can be made beforehand and put together.
 *
 * @param name - In lower case, ASCII.
 * @param value - ASCII.
 */
export function encodeHeader(name: string, value: string): string {
  const same = staticTable.findIndex((entry) => entry[0] === name && entry[1] === value);
  if (same >= 0) return String.fromCharCode(0x80 | (same + 1));
  const named = staticTable.findIndex((entry) => entry[0] === name);
  // An index of more than four bits would go on in a second byte.
  const head = named >= 0 && named < 14 ? String.fromCharCode(named + 1) : `\0${encodeString(name)}`;
  return head + encodeString(value);
}

/** What a header begins with whose value, an {@link encodeString}, is for the two ends alone (6.2.3). */
export function encodePrivateName(name: string): string {
  return `\x10${encodeString(name)}`;
}

/** Writes a string literal (5.2). */
export function encodeString(text: string): string {
  let { length } = text;
  if (length < 127) return String.fromCharCode(length) + text;
  let head = '\x7f';
  for (length -= 127; length >= 128; length = Math.floor(length / 128)) {
    head += String.fromCharCode((length % 128) | 128);
  }
  return head + String.fromCharCode(length) + text;
}
