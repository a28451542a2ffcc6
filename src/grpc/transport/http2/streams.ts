/**
 * What a connection keeps its streams in. A Map and a Set would do, but for the garbage collector: V8 gives a Map whose
 * entries come and go a new table every now and then, and the old table, in which the entries of that moment are left,
 * points to the new one. Once one such table is in the old generation, it keeps the next one alive, and so on, and with them
 * most requests outlive their answers until the whole heap is collected. What leaves these points to nothing.
 */

/** What {@link StreamTable} and {@link StreamQueue} hold; an entry is in one of them at a time. */
export interface StreamEntry<T> {
  /** Odd; 0 before it has one. */
  readonly id: number;
  /** For whatever it is in: its neighbours. */
  previous: T | undefined;
  next: T | undefined;
}

const fewestSlots = 64;

/** Streams by their ids. */
export class StreamTable<T extends StreamEntry<T>> {
  size = 0;
  /** The first entry of each slot. Ids count up, so that those of one moment are spread over all slots: a power of two. */
  private slots: (T | undefined)[] = emptySlots(fewestSlots);

  get(id: number): T | undefined {
    let entry = this.slots[this.slotOf(id)];
    while (entry !== undefined && entry.id !== id) entry = entry.next;
    return entry;
  }

  /** @param entry - Whose id is not in the table yet. */
  add(entry: T): void {
    if (this.size === this.slots.length) this.grow();
    this.size += 1;
    this.put(entry);
  }

  /** @returns false where it was not in the table */
  delete(entry: T): boolean {
    const slot = this.slotOf(entry.id);
    const isFirst = this.slots[slot] === entry;
    if (!isFirst && !entry.previous) return false;
    if (isFirst) this.slots[slot] = entry.next;
    unlink(entry);
    this.size -= 1;
    return true;
  }

  /** All as they are now, by their ids. */
  all(): T[] {
    const found: T[] = [];
    for (const first of this.slots) {
      for (let entry = first; entry !== undefined; entry = entry.next) found.push(entry);
    }
    return found.sort((a, b) => a.id - b.id);
  }

  private slotOf(id: number): number {
    return (id >>> 1) & (this.slots.length - 1);
  }

  private put(entry: T): void {
    const slot = this.slotOf(entry.id);
    const next = this.slots[slot];
    if (next) next.previous = entry;
    entry.previous = undefined;
    entry.next = next;
    this.slots[slot] = entry;
  }

  private grow(): void {
    const entries = this.all();
    this.slots = emptySlots(this.slots.length * 2);
    for (const entry of entries) this.put(entry);
  }
}

/** Streams that wait, in the order that they came in. */
export class StreamQueue<T extends StreamEntry<T>> {
  size = 0;
  private first: T | undefined = undefined;
  private last: T | undefined = undefined;

  add(entry: T): void {
    entry.previous = this.last;
    if (this.last) this.last.next = entry;
    else this.first = entry;
    this.last = entry;
    this.size += 1;
  }

  /** Takes out the one that has waited longest. */
  shift(): T | undefined {
    const { first } = this;
    if (first) this.delete(first);
    return first;
  }

  /** @returns false where it was not in the queue */
  delete(entry: T): boolean {
    if (this.first !== entry && !entry.previous) return false;
    if (this.first === entry) this.first = entry.next;
    if (this.last === entry) this.last = entry.previous;
    unlink(entry);
    this.size -= 1;
    return true;
  }
}

function unlink<T extends StreamEntry<T>>(entry: T): void {
  if (entry.previous) entry.previous.next = entry.next;
  if (entry.next) entry.next.previous = entry.previous;
  entry.previous = undefined;
  entry.next = undefined;
}

function emptySlots<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
