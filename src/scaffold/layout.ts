/**
 * Text that is broken into lines as prettier does it: a group stays on one line where it fits, else every line break directly
 * in it is taken.
 *
 * @see https://homepages.inf.ed.ac.uk/wadler/papers/prettier/prettier.pdf
 */
export type Doc = string | readonly Doc[] | Break | Choice | Group | Indent;

interface Break {
  readonly kind: 'break';
  /** The text in its place where the group is on one line; undefined for a break that is always taken. */
  readonly flat: string | undefined;
}

interface Choice {
  readonly kind: 'choice';
  readonly broken: string;
  readonly flat: string;
}

interface Group {
  readonly kind: 'group';
  readonly content: Doc;
  /** True where it contains a break that is always taken. */
  readonly broken: boolean;
}

interface Indent {
  readonly kind: 'indent';
  readonly content: Doc;
}

/** A space, or a new line. */
export const line: Doc = { kind: 'break', flat: ' ' };
/** Nothing, or a new line. */
export const softline: Doc = { kind: 'break', flat: '' };
export const hardline: Doc = { kind: 'break', flat: undefined };

export function group(content: Doc): Doc {
  return { kind: 'group', content, broken: isBroken(content) };
}

export function indent(content: Doc): Doc {
  return { kind: 'indent', content };
}

/** One text where the group around it is broken, another where it is not. */
export function ifBreak(broken: string, flat: string): Doc {
  return { kind: 'choice', broken, flat };
}

export function join(separator: Doc, docs: readonly Doc[]): Doc {
  return docs.flatMap((doc, index) => (index === 0 ? [doc] : [separator, doc]));
}

function isBroken(doc: Doc): boolean {
  if (typeof doc === 'string') return false;
  if (isList(doc)) return doc.some(isBroken);
  if (doc.kind === 'break') return doc.flat === undefined;
  if (doc.kind === 'choice') return false;
  return doc.kind === 'group' ? doc.broken : isBroken(doc.content);
}

function isList(doc: Doc): doc is readonly Doc[] {
  return Array.isArray(doc);
}

/** A document that is still to be written. */
interface Pending {
  readonly doc: Doc;
  readonly depth: number;
  readonly flat: boolean;
}

/** Lays a document out in lines of at most `width` characters where possible. */
export function layout(root: Doc, width = 120): string {
  const pending: Pending[] = [{ doc: root, depth: 0, flat: false }];
  const lines: string[] = [];
  let text = '';
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { doc, depth, flat } = next;
    if (typeof doc === 'string') {
      text += doc;
    } else if (isList(doc)) {
      for (const each of doc.toReversed()) pending.push({ doc: each, depth, flat });
    } else if (doc.kind === 'indent') {
      pending.push({ doc: doc.content, depth: depth + 1, flat });
    } else if (doc.kind === 'choice') {
      pending.push({ doc: flat ? doc.flat : doc.broken, depth, flat });
    } else if (doc.kind === 'group') {
      const content = { doc: doc.content, depth, flat: true };
      const onOneLine = flat || (!doc.broken && fits(content, pending, width - text.length));
      pending.push({ ...content, flat: onOneLine });
    } else if (flat && doc.flat !== undefined) {
      text += doc.flat;
    } else {
      lines.push(text.trimEnd());
      text = '  '.repeat(depth);
    }
  }
  lines.push(text.trimEnd());
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Whether everything up to the next line break fits. */
function fits(first: Pending, rest: readonly Pending[], width: number): boolean {
  let room = width;
  let index = rest.length;
  const pending = [first];
  while (room >= 0) {
    const next = pending.pop() ?? rest[--index];
    if (!next) return true;
    const { doc, depth, flat } = next;
    if (typeof doc === 'string') room -= doc.length;
    else if (isList(doc)) for (const each of doc.toReversed()) pending.push({ doc: each, depth, flat });
    else if (doc.kind === 'indent' || doc.kind === 'group') {
      pending.push({ doc: doc.content, depth, flat: flat && !(doc.kind === 'group' && doc.broken) });
    } else if (doc.kind === 'choice') room -= (flat ? doc.flat : doc.broken).length;
    else if (flat && doc.flat !== undefined) room -= doc.flat.length;
    else return true;
  }
  return false;
}
