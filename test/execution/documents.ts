import * as fc from 'fast-check';
import { fieldTypes } from './schema';

/** One value of an arbitrary, as `fc.gen` draws it. */
type Draw = fc.GeneratorValue;

/** Type conditions of every kind, with some that never hold. */
const conditions = ['Cat', 'Dog', 'Bird', 'Animal', 'Pet', 'Stone', 'Query'];

const variablesSdl =
  '($i: Int, $r: Int! = 3, $s: String, $l: [Color!], $n: Input, $id: ID, $t: Boolean!, $u: Boolean = true, $v: Boolean, $any: Any)';

/** Values of variables, fitting and not. */
export const anyVariables = fc.record(
  {
    i: fc.constantFrom<unknown>(1, -0, null, 2 ** 31, 1.5, 'one'),
    r: fc.constantFrom<unknown>(4, 5, null),
    s: fc.constantFrom<unknown>('s', '', null, 1),
    l: fc.constantFrom<unknown>(['RED'], 'GREEN', [], null, ['MAUVE']),
    n: fc.constantFrom<unknown>({}, { x: 2, y: ['a'], z: { x: 3 } }, { x: null }, { w: 1 }, null),
    id: fc.constantFrom<unknown>('id', 7, null, {}),
    t: fc.constantFrom<unknown>(true, false, true, false, true, false, null, 'true'),
    u: fc.constantFrom<unknown>(true, false, null),
    v: fc.constantFrom<unknown>(true, false, null),
    any: fc.constantFrom<unknown>({ a: [1, { b: null }] }, 'any', 3, null),
  },
  { requiredKeys: [] },
);

/** Variables that fit, so that something is executed. */
export const goodVariables = fc.record(
  {
    i: fc.constantFrom<unknown>(1, -0, null),
    r: fc.constantFrom<unknown>(4, 5),
    s: fc.constantFrom<unknown>('s', '', null),
    l: fc.constantFrom<unknown>(['RED'], 'GREEN', [], null),
    n: fc.constantFrom<unknown>({}, { x: 2, y: ['a'], z: { x: 3 } }, null),
    id: fc.constantFrom<unknown>('id', 7, null),
    t: fc.boolean(),
    u: fc.boolean(),
    v: fc.constantFrom(true, false, true, false, null),
    any: fc.constantFrom<unknown>({ a: [1, { b: null }] }, 'any', 3, null),
  },
  { requiredKeys: ['t'] },
);

const literals: Readonly<Record<string, readonly string[]>> = {
  a: ['1', '$i', '$r', 'null', '"one"', '-0', '$unknown'],
  b: ['"x"', '$s', 'null', '""'],
  c: ['[RED, BLUE]', '$l', 'GREEN', '[]', 'null', '[MAUVE]'],
  d: ['{ x: 2, y: ["a", $s] }', '$n', '{}', '{ x: $i }', '{ z: { color: BLUE } }', 'null', '{ x: $r, w: 1 }'],
  e: ['"id"', '7', '$id', 'null'],
  f: ['true', '$t', '$u', '$v'],
  g: ['{ deep: [1, "two", $any] }', '$any', '3', '"text"', 'null'],
};

const argumentNames = Object.keys(literals);

/** Makes a document of one operation, and as many fragments as it takes. */
export class Writer {
  private readonly fragments: string[] = [];

  constructor(private readonly draw: Draw) {}

  document(operation: 'query' | 'mutation'): string {
    // A fragment spreads those that were written before it: one that led back to itself would never end.
    for (let count = this.number(3); count > 0; count--) {
      const selection = this.selection(this.fragments.length === 0 ? 1 : 0);
      this.fragments.push(`fragment F${this.fragments.length} on ${this.oneOf(conditions)} ${selection}`);
    }
    return [`${operation} Op${variablesSdl} ${this.selection(2)}`, ...this.fragments].join('\n');
  }

  private number(max: number): number {
    return this.draw(fc.nat, { max });
  }

  private oneOf<T>(choices: readonly T[]): T {
    return choices[this.number(choices.length - 1)]!;
  }

  private selection(depth: number): string {
    const parts = Array.from({ length: 1 + this.number(3) }, () => this.part(depth));
    return `{ ${parts.join(' ')} }`;
  }

  private part(depth: number): string {
    const kind = this.number(9);
    if (kind === 0) return `${this.alias()}__typename${this.directives()}`;
    if (kind === 1) {
      const on = this.number(1) === 0 ? `on ${this.oneOf(conditions)} ` : '';
      return `... ${on}${this.directives()} ${this.selection(depth)}`;
    }
    if (kind === 2 && this.fragments.length > 0) {
      return `...F${this.number(this.fragments.length - 1)}${this.directives()}`;
    }
    if (kind === 3 && this.number(3) === 0) return 'need(must: $i, list: [1, $i])';
    if (kind === 4 && this.number(3) === 0) {
      return '__type(name: $s) { kind name fields { name type { ofType { name } } } }';
    }
    return this.field(depth);
  }

  private field(depth: number): string {
    const index = this.number(fieldTypes.length - 1);
    const isComposite = /Cat|Dog|Bird|Animal|Pet/.test(fieldTypes[index] ?? '');
    if (isComposite && depth === 0) return `f${this.number(12)}`;
    const selection = isComposite ? ` ${this.selection(depth - 1)}` : '';
    return `${this.alias()}f${index}${this.args()}${this.directives()}${selection}`;
  }

  /** Few of them, so that fields merge, fitting or not. */
  private alias(): string {
    return this.oneOf(['', '', '', 'x: ', 'y: ', '__proto__: ', 'constructor: ']);
  }

  private args(): string {
    const given = argumentNames.filter(() => this.number(5) === 0);
    return given.length === 0
      ? ''
      : `(${given.map((name) => `${name}: ${this.oneOf(literals[name] ?? [])}`).join(', ')})`;
  }

  private directives(): string {
    const pick = this.number(11);
    if (pick > 3) return '';
    const condition = this.oneOf(['true', 'false', '$t', '$u', '$t', '$u', '$v', '$unknown']);
    return ` @${pick % 2 === 0 ? 'skip' : 'include'}(if: ${condition})`;
  }
}
