import {
  defaultTypeResolver,
  GraphQLBoolean,
  GraphQLError,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLAbstractType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type ResponsePath,
} from 'graphql';
import { inspect } from '../internals/graphql';
import { failedAt, type Complete, type Field } from './field';
import { ignore, isThenable, later } from './promises';
import { needsOf } from './resolver-needs';
import type { Run } from './run';

/** How values of the types of a schema are completed: a function for each type, made once. */
export class Completion {
  private readonly known = new Map<GraphQLOutputType, Complete>();

  constructor(private readonly schema: GraphQLSchema) {}

  of(type: GraphQLOutputType): Complete {
    const known = this.known.get(type);
    if (known) return known;
    const complete = this.make(type);
    this.known.set(type, complete);
    return complete;
  }

  private make(type: GraphQLOutputType): Complete {
    if (isNonNullType(type)) return nonNull(this.of(type.ofType));
    if (isListType(type)) return list(this.of(type.ofType), isNonNullType(type.ofType));
    if (isLeafType(type)) return leaf(type);
    return isObjectType(type) ? object(type) : abstract(type, this.schema);
  }
}

function nonNull(complete: Complete): Complete {
  return (run, field, parent, key, value) => {
    const completed = complete(run, field, parent, key, value);
    if (completed !== null) return completed;
    const { parentType, definition } = field.traits;
    throw new Error(`Cannot return null for non-nullable field ${parentType.name}.${definition.name}.`);
  };
}

/** Bytes of an item of a list beside its text, about. */
const itemSize = 4;

/** What is null for GraphQL. A value that is an error fails as if it had been thrown. */
function isNothing(value: unknown): value is null | undefined {
  if (value instanceof Error) throw value;
  return value === null || value === undefined;
}

/** Leaves, most of which are sent as they are. */
function leaf(type: GraphQLLeafType): Complete {
  if (type === GraphQLString || type === GraphQLID) {
    return (run, _field, _parent, _key, value) => {
      const text = typeof value === 'string' ? value : serialized(type, value);
      if (typeof text === 'string') run.grow(text.length);
      return text;
    };
  }
  if (type === GraphQLInt) {
    // The bitwise operator gives back what fits 32 bits, and something else for what does not.
    return (_run, _field, _parent, _key, value) =>
      typeof value === 'number' && (value | 0) === value ? value : serialized(type, value);
  }
  if (type === GraphQLFloat) {
    return (_run, _field, _parent, _key, value) => (Number.isFinite(value) ? value : serialized(type, value));
  }
  if (type === GraphQLBoolean) {
    return (_run, _field, _parent, _key, value) => (typeof value === 'boolean' ? value : serialized(type, value));
  }
  return (run, _field, _parent, _key, value) => {
    const output = serialized(type, value);
    if (typeof output === 'string') run.grow(output.length);
    else if (typeof output === 'object' && output !== null) growByJson(run, output);
    return output;
  };
}

/** Counts any JSON value, such as that of a scalar JSON. */
function growByJson(run: Run, value: unknown): void {
  if (typeof value === 'string') run.grow(value.length + itemSize);
  else if (typeof value !== 'object' || value === null) run.grow(itemSize);
  else if (Array.isArray(value)) for (const each of value) growByJson(run, each);
  else {
    for (const key in value) {
      run.grow(key.length + itemSize);
      growByJson(run, (value as Record<string, unknown>)[key]);
    }
  }
}

function serialized(type: GraphQLLeafType, value: unknown): unknown {
  if (isNothing(value)) return null;
  const text: unknown = type.serialize(value);
  if (text === null || text === undefined) {
    throw new Error(
      `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(text)}`,
    );
  }
  return typeof text === 'object' && isThenable(text) ? Promise.resolve(text) : text;
}

function list(completeItem: Complete, itemsNonNull: boolean): Complete {
  return (run, field, parent, key, value) => {
    if (isNothing(value)) return null;
    const { parentType, definition } = field.traits;
    if (!isIterable(value)) {
      throw new GraphQLError(
        `Expected Iterable, but did not find one for field "${parentType.name}.${definition.name}".`,
      );
    }
    const path = pathTo(field, parent, key);
    const items: unknown[] = [];
    let isPending = false;
    try {
      for (const each of value) {
        run.grow(itemSize);
        const completed = item(run, field, completeItem, itemsNonNull, path, items.length, each);
        if (typeof completed === 'object' && completed instanceof Promise) isPending = true;
        items.push(completed);
      }
    } catch (error) {
      if (isPending) ignore(items);
      throw error;
    }
    return isPending ? Promise.all(items) : items;
  };
}

/** Text is none: its characters are no list. */
function isIterable(value: unknown): value is Iterable<unknown> {
  return (
    typeof value === 'object' && typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === 'function'
  );
}

/** An item of a list. Its error is handled here: it need not take the others with it. */
function item(
  run: Run,
  field: Field,
  complete: Complete,
  isNonNull: boolean,
  path: ResponsePath,
  index: number,
  value: unknown,
): unknown {
  try {
    const completed =
      typeof value === 'object' && isThenable(value)
        ? later(value, (resolved) => complete(run, field, path, index, resolved))
        : complete(run, field, path, index, value);
    if (typeof completed !== 'object' || !(completed instanceof Promise)) return completed;
    return completed.then(undefined, (error: unknown) => failedAt(run, field, isNonNull, path, index, error));
  } catch (error) {
    return failedAt(run, field, isNonNull, path, index, error);
  }
}

function object(type: GraphQLObjectType): Complete {
  return (run, field, parent, key, value) =>
    isNothing(value) ? null : completeObject(run, field, parent, key, value, type);
}

function completeObject(
  run: Run,
  field: Field,
  parent: ResponsePath | undefined,
  key: string | number,
  value: unknown,
  type: GraphQLObjectType,
): unknown {
  const selection = field.selectionOf(type);
  const path = pathTo(field, parent, key);
  if (!type.isTypeOf) return selection.execute(run, value, path);
  const check = (isOfType: boolean): unknown => {
    if (isOfType) return selection.execute(run, value, path);
    throw new GraphQLError(`Expected value of type "${type.name}" but got: ${inspect(value)}.`, { nodes: field.nodes });
  };
  const isOfType = type.isTypeOf(value, run.context, infoAt(run, field, parent, key));
  return isThenable(isOfType) ? later(isOfType, check) : check(isOfType);
}

function abstract(type: GraphQLAbstractType, schema: GraphQLSchema): Complete {
  const resolveType = type.resolveType ?? defaultTypeResolver;
  const readsSource = needsOf(resolveType) === 'source';
  /** The object types that values were of. */
  const found = new Map<unknown, GraphQLObjectType>();
  return (run, field, parent, key, value) => {
    if (isNothing(value)) return null;
    const complete = (typeName: unknown): unknown => {
      const objectType = found.get(typeName) ?? possibleType(type, typeName, schema, field, value);
      found.set(typeName, objectType);
      return completeObject(run, field, parent, key, value, objectType);
    };
    const name: unknown = readsSource
      ? (resolveType as (value: unknown) => unknown)(value)
      : resolveType(value, run.context, infoAt(run, field, parent, key), type);
    return isThenable(name) ? later(name, complete) : complete(name);
  };
}

/**
 * The object type that resolveType named.
 *
 * @throws GraphQLError where there is none such among the possible types, in the words of graphql-js
 */
function possibleType(
  type: GraphQLAbstractType,
  name: unknown,
  schema: GraphQLSchema,
  { nodes, traits: { parentType, definition } }: Field,
  value: unknown,
): GraphQLObjectType {
  const refuse = (problem: string, at?: Field['nodes']): never => {
    throw new GraphQLError(problem, { nodes: at ?? null });
  };
  const must = `Abstract type "${type.name}" must resolve to an Object type at runtime for field "${parentType.name}.${definition.name}"`;
  if (name === null || name === undefined) {
    return refuse(
      `${must}. Either the "${type.name}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
      nodes,
    );
  }
  if (isObjectType(name)) {
    return refuse(
      'Support for returning GraphQLObjectType from resolveType was removed in graphql-js@16.0.0 please return type name instead.',
    );
  }
  if (typeof name !== 'string') {
    return refuse(`${must} with value ${inspect(value)}, received "${inspect(name)}".`);
  }
  const objectType = schema.getType(name);
  if (!objectType) {
    return refuse(
      `Abstract type "${type.name}" was resolved to a type "${name}" that does not exist inside the schema.`,
      nodes,
    );
  }
  if (!isObjectType(objectType)) {
    return refuse(`Abstract type "${type.name}" was resolved to a non-object type "${name}".`, nodes);
  }
  if (!schema.isSubType(type, objectType)) {
    return refuse(`Runtime Object type "${objectType.name}" is not a possible type for "${type.name}".`, nodes);
  }
  return objectType;
}

/** The path to a value; graphql-js names the type that a field is of, and none for an index. */
function pathTo(field: Field, parent: ResponsePath | undefined, key: string | number): ResponsePath {
  return { prev: parent, key, typename: typeof key === 'string' ? field.traits.parentType.name : undefined };
}

/** The `info` of the field that a value belongs to, be it an item of a list or of a list in a list. */
function infoAt(run: Run, field: Field, parent: ResponsePath | undefined, key: string | number): GraphQLResolveInfo {
  let [path, step] = [parent, key];
  while (typeof step === 'number' && path) {
    step = path.key;
    path = path.prev;
  }
  return field.info(run, path);
}
