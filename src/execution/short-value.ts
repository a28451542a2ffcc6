import { inspect } from '../internals/graphql';

/** Characters of a value, or of a name, that a message repeats of what a client sent. */
const longest = 100;
/** Items of a list and fields of an object that are looked at, and how deep. */
const most = 10;
const deepest = 3;

/** A value as messages of errors show it: as graphql-js writes it, and cut. Looks at no more of it than it shows. */
export function shortValue(value: unknown): string {
  return shortText(inspect(pruned(value, 0)));
}

/** Text of a client in a message: cut. */
export function shortText(text: string, length = longest): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

function pruned(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > longest ? value.slice(0, longest + 1) : value;
  if (typeof value !== 'object' || value === null || depth >= deepest) return value;
  // One more than graphql-js shows, so that it says that there are more.
  if (Array.isArray(value)) return value.slice(0, most + 1).map((item) => pruned(item, depth + 1));
  const copy: Record<string, unknown> = {};
  let count = 0;
  for (const key in value) {
    if ((count += 1) > most) break;
    copy[shortText(key)] = pruned((value as Record<string, unknown>)[key], depth + 1);
  }
  return copy;
}
