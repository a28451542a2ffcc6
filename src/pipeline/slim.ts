import { Kind, type ASTNode, type DocumentNode, type GraphQLSchema, type Location, type NameNode } from 'graphql';
import { isNode } from 'graphql/language/ast';

/** Bytes of a node with its place, and of a name that is not shared: measured, and rounded up. */
const nodeSize = 190;
const nameSize = 90;

/**
 * Makes documents take a third of what graphql-js makes of them, in place: nothing but their nodes is kept, and where each
 * begins and ends, which errors need. What they lose is the chain of tokens, which only a parser needs; the places of names;
 * names that the schema has, and empty lists, are the same for all documents.
 *
 * @returns from the function it gives: bytes that the document then takes, without its text
 */
export function createSlimmer(schema: GraphQLSchema): (document: DocumentNode) => number {
  const names = namesOf(schema);

  function slim(node: ASTNode): number {
    let size = nodeSize;
    if (node.loc) forgetTokens(node.loc);
    const fields = node as unknown as Record<string, unknown>;
    for (const key in fields) {
      const value = fields[key];
      if (Array.isArray(value)) {
        if (value.length === 0) fields[key] = none;
        else for (const each of value) size += slim(each as ASTNode);
      } else if (typeof value === 'object' && value !== null && isNode(value)) {
        if (value.kind === Kind.NAME) {
          const shared = names.get(value.value);
          fields[key] = shared ?? nameOf(value.value);
          if (!shared) size += nameSize;
        } else size += slim(value);
      }
    }
    return size;
  }

  return slim;
}

const none: readonly never[] = Object.freeze([]);

function forgetTokens(place: Location): void {
  Object.assign(place, { startToken: undefined, endToken: undefined });
}

function nameOf(value: string): NameNode {
  return { kind: Kind.NAME, value };
}

/** The names that most of any document is made of. */
function namesOf(schema: GraphQLSchema): ReadonlyMap<string, NameNode> {
  const names = new Set(['__typename', 'skip', 'include', 'if']);
  for (const type of Object.values(schema.getTypeMap())) {
    names.add(type.name);
    if (!('getFields' in type)) continue;
    for (const field of Object.values(type.getFields())) {
      names.add(field.name);
      if ('args' in field) for (const argument of field.args) names.add(argument.name);
    }
  }
  return new Map([...names].map((name) => [name, Object.freeze(nameOf(name))]));
}
