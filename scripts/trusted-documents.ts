import { createHash } from 'node:crypto';
import { Kind, print, separateOperations, type DocumentNode, type GraphQLSchema } from 'graphql';

/**
 * A plugin of graphql-codegen: every operation, with the fragments that it uses, under the SHA-256 of its text in hex.
 * The text is the one to send: a client hashes what it prints, character for character.
 */
export function plugin(_schema: GraphQLSchema, documents: readonly { document?: DocumentNode }[]): string {
  const definitions = documents.flatMap(({ document }) => document?.definitions ?? []);
  const operations = separateOperations({ kind: Kind.DOCUMENT, definitions });
  const entries = Object.keys(operations)
    .sort()
    .map((name) => {
      const text = print(operations[name]!);
      return [createHash('sha256').update(text).digest('hex'), text];
    });
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}
