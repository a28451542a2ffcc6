/** Finds things by any of the labels that they were added under. */
export interface LabelIndex<Item> {
  add(item: Item, labels: readonly string[]): void;
  remove(item: Item, labels: readonly string[]): void;
  /** A copy, so that the caller can remove what it found while iterating. */
  find(label: string): Item[];
}

export function createLabelIndex<Item>(): LabelIndex<Item> {
  const items = new Map<string, Set<Item>>();

  return {
    add(item, labels) {
      for (const label of labels) {
        const found = items.get(label);
        if (found) found.add(item);
        else items.set(label, new Set([item]));
      }
    },
    remove(item, labels) {
      for (const label of labels) {
        const found = items.get(label);
        // A label without items must go, or the index grows with every session there ever was.
        if (found?.delete(item) && found.size === 0) items.delete(label);
      }
    },
    find: (label) => [...(items.get(label) ?? [])],
  };
}
