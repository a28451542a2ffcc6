/**
 * Bits of each symbol's code (RFC 7541, appendix B), by the symbol: the 256 bytes, and EOS. The code is canonical: codes of
 * one length follow on each other in the order of their symbols, so that the lengths are all there is to it.
 */
// prettier-ignore
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const endOfString = 256;

/** The code as a binary tree: two entries a node, for 0 and 1. Positive is the next node, negative is a symbol, less one. */
const tree = plantTree();

function plantTree(): Int16Array {
  const nodes = new Int16Array(2 * lengths.length);
  let size = 1;
  let code = 0;
  let length = 0;
  const symbols = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  for (const symbol of symbols) {
    code *= 2 ** (lengths[symbol]! - length);
    length = lengths[symbol]!;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const branch = 2 * node + ((code >>> bit) & 1);
      nodes[branch] ||= size++;
      node = nodes[branch]!;
    }
    nodes[2 * node + (code & 1)] = -symbol - 1;
    code++;
  }
  return nodes;
}

/**
 * Decodes a string literal (RFC 7541, 5.2).
 *
 * @returns its bytes as characters; undefined for what no encoder writes
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let node = 0;
  /** Bits since the last symbol, and whether all of them were 1. */
  let bits = 0;
  let onlyOnes = true;
  for (let at = start; at < end; at++) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = (bytes[at]! >>> bit) & 1;
      const next = tree[2 * node + one]!;
      bits++;
      onlyOnes &&= one === 1;
      if (next >= 0) {
        node = next;
        continue;
      }
      const symbol = -next - 1;
      if (symbol === endOfString) return undefined;
      text += String.fromCharCode(symbol);
      node = 0;
      bits = 0;
      onlyOnes = true;
    }
  }
  // What fills the last byte is the beginning of EOS, which is all ones.
  return bits < 8 && onlyOnes ? text : undefined;
}
