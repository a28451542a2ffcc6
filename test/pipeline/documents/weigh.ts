/**
 * Measures what documents take, for the test of what they are weighed with. In a process of its own: elsewhere other things
 * come and go on the heap, and a collection takes as long as all of them are large. To be run with --expose-gc, and without
 * compilers that optimize: their code is on the heap too, and few documents tell as much as thousands beside it.
 *
 * Writes a JSON object: by the kind of document, the {@link Weight} of one.
 */
import { createDocuments, type Documents, type PreparedDocument } from '../../../src/pipeline/documents';
import { documentOf, options, refuse, run, schema } from './run';

/** Bytes of one document. */
export interface Weight {
  readonly weighed: number;
  readonly taken: number;
}

const kinds: Readonly<Record<string, (index: number) => string>> = {
  ordinary: documentOf,
  'with a literal': (index) =>
    `{ user(id: "user-${index}") { id email displayName status createdAt updatedAt roles } }`,
  'with a fragment': (index) => `{ user(id: "a") { ...F${index} } } fragment F${index} on User { id email status }`,
  invalid: (index) => `{ user${index}: user(id: "a") { id telephone } }`,
  'invalid in many places': (index) => `{ user${index}: user(id: "a") { id telephone fax address phone street } }`,
};

function used(): number {
  // What the first finds dead may still hold on to something.
  for (let times = 0; times < 3; times++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Operations with many lists, of sizes and with look-ups that depend on variables. */
function dear(index: number): string {
  const lists = Array.from({ length: 20 }, (_, list) => `u${list}: conversations(first: $n) { nodes { ...T } }`);
  const joins = Array.from({ length: 20 }, (_, join) => `p${join}: owner { id }`);
  return `
    query A${index}($n: Int, $skip: Boolean!) { ...Q gateway { name @skip(if: $skip) } }
    query B${index}($n: Int, $skip: Boolean!) { ...Q gateway { name @skip(if: $skip) } }
    fragment Q on Query { ${lists.join(' ')} }
    fragment T on Conversation { ${joins.join(' ')} }`;
}

async function weigh(
  source: (index: number) => string,
  take: (documents: Documents, source: string) => PreparedDocument | Promise<PreparedDocument> = run,
): Promise<Weight> {
  const documents = createDocuments(schema, options);
  const first = 1_000;
  const warm = first + 50;
  const end = warm + 200;
  let weighed = 0;
  let before = 0;
  for (let index = first; index < end; index++) {
    if (index === warm) before = used();
    ({ weighed } = await take(documents, source(index)));
  }
  const taken = (used() - before) / (end - warm);
  // It has held on to all of them until here.
  if (documents.prepare(source(first)).weighed !== weighed) throw new Error('equal documents are weighed unequally');
  return { weighed, taken };
}

async function main(): Promise<void> {
  const weights: Record<string, Weight> = {};
  for (const [kind, source] of Object.entries(kinds)) weights[kind] = await weigh(source);
  weights['refused for its cost'] = await weigh(dear, refuse);
  process.stdout.write(JSON.stringify(weights));
}

void main();
