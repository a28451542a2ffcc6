import {
  defaultFieldResolver,
  isNonNullType,
  locatedError,
  responsePathAsArray,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type ResponsePath,
} from 'graphql';
import { Arguments } from './arguments';
import { locateKnown } from './field-error';
import { isThenable, later } from './promises';
import { needsOf } from './resolver-needs';
import type { Run } from './run';

/**
 * Completes a value as a type says (spec 6.4.3): what a client reads, null where there is nothing, or a promise of it.
 *
 * @param parent - The object or list that the value is in; undefined at the root.
 * @param key - Where in it: a response name or an index.
 * @throws what makes the position fail, not yet located
 */
export type Complete = (
  run: Run,
  field: Field,
  parent: ResponsePath | undefined,
  key: string | number,
  value: unknown,
) => unknown;

/** The fields that are selected of objects of one type. */
export interface ObjectSelection {
  readonly type: GraphQLObjectType;
  /** @param path - Of the object; undefined for the root. */
  execute(run: Run, source: unknown, path: ResponsePath | undefined): unknown;
}

/** Compiles the sub-selections of fields. */
export interface SelectionCompiler {
  /** @throws GraphQLError where a condition of @skip or @include cannot be read */
  select(type: GraphQLObjectType, nodes: readonly FieldNode[]): ObjectSelection;
}

type Resolve = (source: unknown, args: Record<string, unknown>, context: unknown, info: GraphQLResolveInfo) => unknown;
/** Resolvers of which it is known that they need no more; see {@link needsOf}. */
type Read = (source: unknown) => unknown;
type Call = (source: unknown, args: Record<string, unknown>, context: unknown) => unknown;

/** What is known of a field of the schema, whatever selects it. */
export interface FieldTraits {
  readonly parentType: GraphQLObjectType;
  readonly definition: GraphQLField<unknown, unknown>;
  readonly resolve: Resolve;
  readonly isNonNull: boolean;
  readonly complete: Complete;
  /** The class that executes it. */
  readonly Field: new (...args: ConstructorParameters<typeof Field>) => Field;
}

/** A field of a selection. All fields of one response name are one (spec 6.3.2, "CollectFields"). */
export abstract class Field {
  /** What is selected of its values; by their types, where they are of several. */
  private selection: ObjectSelection | Map<GraphQLObjectType, ObjectSelection> | undefined;

  /**
   * @param key - The response name.
   * @param written - The node; mostly there is but one. Of several the first counts for all but the sub-selections.
   */
  constructor(
    readonly key: string,
    private readonly written: FieldNode | readonly FieldNode[],
    readonly traits: FieldTraits,
    private readonly compiler: SelectionCompiler,
  ) {}

  get nodes(): readonly FieldNode[] {
    return 'kind' in this.written ? [this.written] : this.written;
  }

  /**
   * Resolves and completes the field of an object (spec 6.4, "ExecuteField").
   *
   * @param path - Of the object.
   * @throws GraphQLError, located, where the field is non-null and fails; a promise rejects with it
   */
  abstract execute(run: Run, source: unknown, path: ResponsePath | undefined): unknown;

  /** What is selected of a value of a type; compiled when the first value of it is there. */
  selectionOf(type: GraphQLObjectType): ObjectSelection {
    const known = this.selection instanceof Map ? this.selection.get(type) : this.selection;
    if (known?.type === type) return known;
    const selection = this.compiler.select(type, this.nodes);
    if (this.selection instanceof Map) this.selection.set(type, selection);
    else if (!this.selection) this.selection = selection;
    else this.selection = new Map([this.selection, selection].map((each) => [each.type, each]));
    return selection;
  }

  /** As graphql-js makes it, for functions that take it. */
  info(run: Run, parent: ResponsePath | undefined): GraphQLResolveInfo {
    const { parentType, definition } = this.traits;
    const { schema, fragments, operation } = run.source;
    return {
      fieldName: definition.name,
      fieldNodes: this.nodes,
      returnType: definition.type,
      parentType,
      path: { prev: parent, key: this.key, typename: parentType.name },
      schema,
      fragments,
      rootValue: run.root,
      operation,
      variableValues: run.variables,
    };
  }

  /** A promise of a completed value, with the field's error in it handled. */
  protected handled(run: Run, path: ResponsePath | undefined, completed: Promise<unknown>): Promise<unknown> {
    return completed.then(undefined, (error: unknown) => this.failed(run, path, error));
  }

  protected failed(run: Run, path: ResponsePath | undefined, error: unknown): null {
    return failedAt(run, this, this.traits.isNonNull, path, this.key, error);
  }
}

/**
 * What becomes of a position that fails: null, with an error noted; or, where it is non-null, whatever it is in fails as well
 * (spec 6.4.4).
 */
export function failedAt(
  run: Run,
  field: Field,
  isNonNull: boolean,
  parent: ResponsePath | undefined,
  key: string | number,
  thrown: unknown,
): null {
  // Nothing more is to be made of the result.
  if (run.over) throw run.over;
  const path = responsePathAsArray({ prev: parent, key, typename: undefined });
  const error = locateKnown(thrown, field.nodes, path) ?? locatedError(thrown, field.nodes, path);
  if (isNonNull) throw error;
  run.fail(error, parent, key);
  return null;
}

/** `__typename`. */
class TypeNameField extends Field {
  execute(): string {
    return this.traits.parentType.name;
  }
}

/** A field that is read off its source; see {@link needsOf}. */
class ReadField extends Field {
  execute(run: Run, source: unknown, path: ResponsePath | undefined): unknown {
    const { traits } = this;
    try {
      const completed = traits.complete(run, this, path, this.key, (traits.resolve as Read)(source));
      return completed instanceof Promise ? this.handled(run, path, completed) : completed;
    } catch (error) {
      return this.failed(run, path, error);
    }
  }
}

/** A field whose resolver may give a promise. */
abstract class ResolvedField extends Field {
  private readonly args = Arguments.of(this.traits.definition, this.nodes[0]!);

  protected abstract resolve(
    run: Run,
    source: unknown,
    args: Record<string, unknown>,
    path: ResponsePath | undefined,
  ): unknown;

  execute(run: Run, source: unknown, path: ResponsePath | undefined): unknown {
    try {
      const { complete } = this.traits;
      const value = this.resolve(run, source, this.args ? this.args.values(run.variables) : {}, path);
      if (value instanceof Error) return this.failed(run, path, value);
      const completed = isThenable(value)
        ? later(value, (resolved) => complete(run, this, path, this.key, resolved))
        : complete(run, this, path, this.key, value);
      return completed instanceof Promise ? this.handled(run, path, completed) : completed;
    } catch (error) {
      return this.failed(run, path, error);
    }
  }
}

/** A field whose resolver does without `info`. */
class CalledField extends ResolvedField {
  protected resolve(run: Run, source: unknown, args: Record<string, unknown>): unknown {
    return (this.traits.resolve as Call)(source, args, run.context);
  }
}

/** A field whose resolver may use everything. */
class InformedField extends ResolvedField {
  protected resolve(run: Run, source: unknown, args: Record<string, unknown>, path: ResponsePath | undefined): unknown {
    return this.traits.resolve(source, args, run.context, this.info(run, path));
  }
}

/** A field without a resolver: the property of its name, called where it is a function. */
class PropertyField extends ResolvedField {
  protected resolve(run: Run, source: unknown, args: Record<string, unknown>, path: ResponsePath | undefined): unknown {
    if ((typeof source !== 'object' || source === null) && typeof source !== 'function') return undefined;
    const property = (source as Record<string, unknown>)[this.traits.definition.name];
    if (typeof property !== 'function') return property;
    return this.traits.resolve(source, args, run.context, this.info(run, path));
  }
}

/** Finds out how a field of the schema is executed. */
export function traitsOf(
  parentType: GraphQLObjectType,
  definition: GraphQLField<unknown, unknown>,
  complete: Complete,
): FieldTraits {
  return {
    parentType,
    definition,
    resolve: (definition.resolve ?? defaultFieldResolver) as Resolve,
    isNonNull: isNonNullType(definition.type),
    complete,
    Field: classOf(definition),
  };
}

function classOf({ name, args, resolve }: GraphQLField<unknown, unknown>): FieldTraits['Field'] {
  if (name === '__typename') return TypeNameField;
  if (!resolve) return PropertyField;
  const needs = needsOf(resolve);
  // Arguments that nobody reads must fit nevertheless.
  if (needs === 'source' && args.length === 0) return ReadField;
  return needs ? CalledField : InformedField;
}
