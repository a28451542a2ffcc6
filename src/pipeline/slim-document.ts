import {
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  type ASTNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  type Location,
  type NameNode,
  type Source,
} from 'graphql';

/** Bytes of a node, of its place, of a name that is not shared, and of an item of a list: measured, and rounded up. */
const nodeSize = 90;
const placeSize = 50;
const nameSize = 80;
const itemSize = 12;

/** A document, and the bytes that it takes beside its text. */
export interface SlimDocument {
  readonly document: DocumentNode;
  readonly size: number;
}

/**
 * Makes documents anew that take a third of what graphql-js makes of them: with all of their nodes, but without the chain of
 * tokens, which only a parser needs; without the places of what no error is located at once the document is valid; with names
 * that the schema has, and empty lists, shared by all documents.
 */
export function createSlimmer(schema: GraphQLSchema): (document: DocumentNode) => SlimDocument {
  const names = namesOf(schema);
  return (document) => {
    const slimmer = new Slimmer(names);
    return { document: slimmer.slim(document), size: slimmer.size };
  };
}

/** Where a node is, as far as errors need it; a third less than graphql-js keeps. */
class Place {
  constructor(
    readonly start: number,
    readonly end: number,
    readonly source: Source,
  ) {}

  toJSON(): { start: number; end: number } {
    return { start: this.start, end: this.end };
  }
}

/** Kinds of nodes that no error of an execution is located at. */
const placeless = new Set<string>([
  Kind.NAME,
  Kind.SELECTION_SET,
  Kind.ARGUMENT,
  Kind.NAMED_TYPE,
  Kind.LIST_TYPE,
  Kind.NON_NULL_TYPE,
  Kind.INLINE_FRAGMENT,
  Kind.FRAGMENT_SPREAD,
]);

const none: readonly never[] = Object.freeze([]);

/** A node that is to be copied, and where to. */
interface Task {
  readonly node: ASTNode;
  readonly into: Record<string | number, unknown>;
  readonly key: string | number;
}

/** Copies one document: without recursion, however deep it is. */
class Slimmer {
  size = 0;
  private readonly tasks: Task[] = [];

  constructor(private readonly names: ReadonlyMap<string, NameNode>) {}

  slim(document: DocumentNode): DocumentNode {
    const root: Record<string, unknown> = {};
    this.later(document, root, 'document');
    for (let task = this.tasks.pop(); task; task = this.tasks.pop()) task.into[task.key] = this.copy(task.node);
    return root['document'] as DocumentNode;
  }

  private later(node: ASTNode, into: Task['into'], key: Task['key']): void {
    this.tasks.push({ node, into, key });
  }

  private copy(node: ASTNode): ASTNode {
    this.size += nodeSize;
    if (node.kind === Kind.FIELD) return this.field(node);
    const copy: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(node)) if (key !== 'loc') copy[key] = this.value(value, copy, key);
    if (!placeless.has(node.kind)) copy['loc'] = this.place(node.loc);
    // The compiler cannot know that later tasks fill in what is missing.
    return copy as unknown as ASTNode;
  }

  /** Most nodes are fields: as a literal they are smaller. */
  private field({ kind, alias, name, arguments: args, directives, selectionSet, loc }: FieldNode): FieldNode {
    const copy = {
      kind,
      alias: alias && this.name(alias.value),
      name: this.name(name.value),
      arguments: this.list(args ?? none),
      directives: this.list(directives ?? none),
      selectionSet: undefined,
      loc: this.place(loc),
    };
    if (selectionSet) this.later(selectionSet, copy, 'selectionSet');
    // As above.
    return copy as unknown as FieldNode;
  }

  /** What is there of the copy of a value; nodes in it follow. */
  private value(value: unknown, into: Task['into'], key: string): unknown {
    if (Array.isArray(value)) return this.list(value as ASTNode[]);
    if (typeof value !== 'object' || value === null) return value;
    const node = value as ASTNode;
    if (node.kind === Kind.NAME) return this.name(node.value);
    this.later(node, into, key);
    return undefined;
  }

  private list(nodes: readonly ASTNode[]): readonly ASTNode[] {
    if (nodes.length === 0) return none;
    this.size += nodeSize / 2 + nodes.length * itemSize;
    const copies = [...nodes];
    // A list is filled in by its indexes, as an object by its keys.
    const into = copies as unknown as Task['into'];
    for (const [index, node] of nodes.entries()) this.later(node, into, index);
    return copies;
  }

  private name(value: string): NameNode {
    const shared = this.names.get(value);
    if (shared) return shared;
    this.size += nameSize;
    return nameOf(value);
  }

  private place(loc: Location | undefined): Location | undefined {
    if (!loc) return undefined;
    this.size += placeSize;
    // Nothing reads the tokens that it lacks.
    return new Place(loc.start, loc.end, loc.source) as unknown as Location;
  }
}

function nameOf(value: string): NameNode {
  return { kind: Kind.NAME, value };
}

/** The names that most of any document is made of. */
function namesOf(schema: GraphQLSchema): ReadonlyMap<string, NameNode> {
  const names = new Set(['__typename', 'skip', 'include', 'if']);
  for (const type of Object.values(schema.getTypeMap())) {
    names.add(type.name);
    if (isInputObjectType(type)) for (const name of Object.keys(type.getFields())) names.add(name);
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const { name, args } of Object.values(type.getFields())) {
      names.add(name);
      for (const argument of args) names.add(argument.name);
    }
  }
  return new Map([...names].map((name) => [name, Object.freeze(nameOf(name))]));
}
