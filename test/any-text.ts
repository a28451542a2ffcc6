import * as fc from 'fast-check';

const surrogates = { first: 0xd800, count: 0x800 };

/**
 * Any code point but surrogates. It is what `unit: 'binary'` of fast-check gives, which first puts all 1.1 million of them into a
 * map: a second, and 100 MB, for each file of tests.
 */
const codePoint = fc.nat(0x10ffff - surrogates.count).map(
  (index) => String.fromCodePoint(index < surrogates.first ? index : index + surrogates.count),
  (text) => {
    const point = typeof text === 'string' ? (text.codePointAt(0) ?? NaN) : NaN;
    if (String.fromCodePoint(point) !== text) throw new Error('not one code point');
    return point < surrogates.first ? point : point - surrogates.count;
  },
);

/** Text of anything that Unicode has. */
export function anyText(constraints: fc.StringSharedConstraints = {}): fc.Arbitrary<string> {
  return fc.string({ ...constraints, unit: codePoint });
}
