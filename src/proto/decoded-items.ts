import { Enum, types, type Field, type Type } from 'protobufjs';

/**
 * How many items a message becomes when it is decoded: each message with its empty lists and maps, each value of a field, each
 * item of a list, and key and value of each entry of a map. Bytes do not tell: a list of empty messages takes two on the wire
 * for each, and a hundred and more in memory.
 *
 * Every value on the wire counts, those too that a later value of the same field replaces: they are decoded all the same.
 */
export class ItemCounter {
  private readonly shape: Shape;

  constructor(type: Type) {
    this.shape = shapeOf(type);
    this.shape.density ||= densityOf(this.shape);
  }

  /** True where a message has more items than it may have. Takes no time for one that is too short for that. */
  exceeds(bytes: Uint8Array, most: number): boolean {
    const { density, weight } = this.shape;
    if (bytes.length * density + weight <= most) return false;
    return this.count(bytes, most) > most;
  }

  /**
   * Counts the items of a message.
   *
   * @param most - Where there are more, counting ends.
   * @returns for what is no such message, the items before the place where it breaks
   */
  count(bytes: Uint8Array, most = Infinity): number {
    const scan = new Scan(bytes, most);
    scan.message(this.shape, bytes.length, 0);
    return scan.count;
  }
}

/** Wire types (Protocol Buffers, "Encoding"). */
const Wire = { VARINT: 0, I64: 1, LEN: 2, SGROUP: 3, EGROUP: 4, I32: 5 } as const;

/** As much of a message's type as counting takes. */
interface Shape {
  /** Items of an empty message: itself, and the lists and maps that the decoder makes for it. */
  weight: number;
  /** The most items that a byte of such a message can become; 0 where that was not asked yet. */
  density: number;
  readonly fields: Map<number, FieldShape>;
}

interface FieldShape {
  readonly wire: number;
  /** The wire type of the items that may come packed; undefined where none may. */
  readonly packed?: number;
  /** Of a message, or the values of a map. */
  readonly message?: Shape;
  /** Of a map's values; undefined for any other field. */
  readonly valueWire?: number;
}

const shapes = new WeakMap<Type, Shape>();

function shapeOf(type: Type): Shape {
  const known = shapes.get(type);
  if (known) return known;
  const shape: Shape = { weight: 1, density: 0, fields: new Map() };
  // Before its fields, which may be of the same type.
  shapes.set(type, shape);
  for (const field of type.fieldsArray) {
    field.resolve();
    if (field.map || field.repeated) shape.weight += 1;
    shape.fields.set(field.id, fieldShape(field));
  }
  return shape;
}

function fieldShape(field: Field): FieldShape {
  const { resolvedType } = field;
  const isMessage = resolvedType !== null && !(resolvedType instanceof Enum);
  const message = isMessage ? { message: shapeOf(resolvedType) } : {};
  const name = resolvedType instanceof Enum ? 'int32' : field.type;
  const wire = isMessage ? Wire.LEN : wireOf(types.basic, name)!;
  if (field.map) return { wire: Wire.LEN, valueWire: wire, ...message };
  if (isMessage) return { wire: field.delimited ? Wire.SGROUP : Wire.LEN, ...message };
  const packed = field.repeated ? wireOf(types.packed, name) : undefined;
  return packed === undefined ? { wire } : { wire, packed };
}

function wireOf(wireTypes: Readonly<Record<string, number>>, name: string): number | undefined {
  return wireTypes[name];
}

/** An item of a list takes two bytes at least, or one where it is packed; so does an entry of a map. */
function densityOf(root: Shape): number {
  const seen = new Set([root]);
  let most = 1;
  for (const { fields } of seen) {
    for (const { message, valueWire } of fields.values()) {
      if (!message) continue;
      seen.add(message);
      most = Math.max(most, ((valueWire === undefined ? 0 : 1) + message.weight) / 2);
    }
  }
  return most;
}

/** Behind the end of everything. */
const beyond = 2 ** 30 - 1;
/** As protobufjs: deeper messages are not decoded. */
const deepest = 100;

/** Walks over a message once. What is wrong with it is for the decoder to say: here it only ends the walk. */
class Scan {
  count = 0;
  private at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly most: number,
  ) {}

  /**
   * Counts a message.
   *
   * @param group - The number of the group that it is; 0 for any other message.
   */
  message({ weight, fields }: Shape, end: number, depth: number, group = 0): void {
    this.count += weight;
    if (depth > deepest) this.stop();
    while (this.at < end) {
      if (this.count > this.most) return this.stop();
      const tag = this.varint();
      const number = tag >>> 3;
      const wire = tag & 7;
      if (wire === Wire.EGROUP) {
        if (group === 0 || number !== group) this.stop();
        return;
      }
      const field = fields.get(number);
      if (field === undefined) this.skip(wire, depth);
      else if (wire === field.wire) this.value(field, end, depth, number);
      else if (wire === Wire.LEN && field.packed !== undefined) this.items(field.packed, end);
      else this.skip(wire, depth);
    }
    if (this.at !== end || group !== 0) this.stop();
  }

  private value(field: FieldShape, end: number, depth: number, number: number): void {
    const { message, valueWire } = field;
    if (valueWire !== undefined) return this.entry(field, this.length(end), depth);
    if (message === undefined) {
      this.count += 1;
      this.skip(field.wire, depth);
    } else if (field.wire === Wire.SGROUP) {
      this.message(message, end, depth + 1, number);
    } else {
      this.message(message, this.length(end), depth + 1);
    }
  }

  private entry({ valueWire, message }: FieldShape, end: number, depth: number): void {
    this.count += 1;
    let hasValue = false;
    while (this.at < end) {
      const tag = this.varint();
      const wire = tag & 7;
      if (message && tag === 0x12) {
        hasValue = true;
        this.message(message, this.length(end), depth + 1);
      } else if (tag >>> 3 === 2 && wire === valueWire) {
        hasValue = true;
        this.count += 1;
        this.skip(wire, depth);
      } else {
        // The key, which has been counted, or what the decoder skips too.
        this.skip(wire, depth);
      }
      if (this.count > this.most) return this.stop();
    }
    if (this.at !== end) this.stop();
    if (!hasValue) this.count += message?.weight ?? 1;
  }

  /** Packed items. */
  private items(wire: number, outer: number): void {
    const end = this.length(outer);
    if (this.at > end) return;
    if (wire === Wire.VARINT) {
      const { bytes } = this;
      let count = 0;
      for (let at = this.at; at < end; at++) if (bytes[at]! < 128) count++;
      this.count += count;
    } else {
      this.count += (end - this.at) >>> (wire === Wire.I64 ? 3 : 2);
    }
    this.at = end;
  }

  private skip(wire: number, depth: number): void {
    if (wire === Wire.VARINT) {
      while (this.bytes[this.at++]! >= 128);
    } else if (wire === Wire.I64) {
      this.at += 8;
    } else if (wire === Wire.I32) {
      this.at += 4;
    } else if (wire === Wire.LEN) {
      this.at = this.length(this.bytes.length);
    } else if (wire === Wire.SGROUP && depth <= deepest) {
      this.skipGroup(depth + 1);
    } else {
      this.stop();
    }
  }

  private skipGroup(depth: number): void {
    while (this.at < this.bytes.length) {
      const wire = this.varint() & 7;
      if (wire === Wire.EGROUP) return;
      this.skip(wire, depth);
    }
    this.stop();
  }

  /** Reads a length; returns where what it is of ends. */
  private length(outer: number): number {
    const end = this.varint() + this.at;
    if (end <= outer) return end;
    this.stop();
    return outer;
  }

  /** A tag or a length. */
  private varint(): number {
    const { bytes } = this;
    let byte = bytes[this.at++] ?? 0;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.at++] ?? 0;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    this.stop();
    return 0;
  }

  private stop(): void {
    this.at = beyond;
  }
}
