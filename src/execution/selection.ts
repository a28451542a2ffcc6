import {
  GraphQLError,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  type ResponsePath,
  type SelectionSetNode,
} from 'graphql';
import { collectFields, collectSubfields } from '../internals/graphql';
import { Completion } from './completion';
import { traitsOf, type Field, type FieldTraits, type ObjectSelection, type SelectionCompiler } from './field';
import type { Memory } from './memory';
import type { OperationSource } from './operation-source';
import { ResultClasses, settledObject, type ResultClass, type ResultObject } from './result-classes';
import type { Run, Variables } from './run';

/** Bytes of JSON: braces and the comma behind; quotes, colon, comma and a short value. */
const objectOverhead = 3;
const fieldOverhead = 8;

/** What is selected of an object of one type. */
export class Selection implements ObjectSelection {
  /** Bytes of an object in the result, about: of its keys, and of values that are neither texts nor objects. */
  private readonly size: number;

  constructor(
    readonly type: GraphQLObjectType,
    private readonly fields: readonly Field[],
    private readonly Result: ResultClass,
  ) {
    this.size = fields.reduce((sum, { key }) => sum + key.length + fieldOverhead, objectOverhead);
  }

  /** True where @skip and @include leave nothing. */
  get isEmpty(): boolean {
    return this.fields.length === 0;
  }

  /**
   * Executes all fields at once (spec 6.3.1, "normally").
   *
   * @param path - Of the object; undefined for the root.
   * @returns the object of the result; a promise where a field of it, however deep, is one
   */
  execute(run: Run, source: unknown, path: ResponsePath | undefined): ResultObject | Promise<ResultObject> {
    run.grow(this.size);
    const result = new this.Result();
    let pending: string[] | undefined;
    try {
      for (const field of this.fields) {
        const value = field.execute(run, source, path);
        result[field.key] = value;
        if (typeof value === 'object' && value instanceof Promise) (pending ??= []).push(field.key);
      }
    } catch (error) {
      if (!pending) throw error;
      // As graphql-js has it: what has begun is waited for.
      return settledObject(result, pending).finally(() => {
        throw error;
      });
    }
    return pending ? settledObject(result, pending) : result;
  }

  /** Executes one field after the other (spec 6.3.1, "serially"). */
  executeSerially(run: Run, source: unknown): ResultObject | Promise<ResultObject> {
    run.grow(this.size);
    const result = new this.Result();
    let before: ResultObject | Promise<ResultObject> = result;
    for (const field of this.fields) {
      const execute = (): ResultObject | Promise<ResultObject> => {
        const value = field.execute(run, source, undefined);
        if (!(value instanceof Promise)) return set(result, field.key, value);
        return value.then((resolved) => set(result, field.key, resolved));
      };
      before = before instanceof Promise ? before.then(execute) : execute();
    }
    return before;
  }
}

function set(result: ResultObject, key: string, value: unknown): ResultObject {
  result[key] = value;
  return result;
}

/** What is compiled of a schema, for all operations. */
export class SchemaTraits {
  readonly results = new ResultClasses();
  private readonly completion: Completion;
  private readonly fields = new Map<GraphQLField<unknown, unknown>, FieldTraits>();
  /** Of `__typename`, which is one definition for all types. */
  private readonly typeNames = new Map<GraphQLObjectType, FieldTraits>();

  constructor(readonly schema: GraphQLSchema) {
    this.completion = new Completion(schema);
  }

  /** Undefined for a field that there is not. */
  field(parentType: GraphQLObjectType, node: FieldNode): FieldTraits | undefined {
    const definition = definitionOf(this.schema, parentType, node.name.value);
    if (!definition) return undefined;
    const { name } = definition;
    const known = name === '__typename' ? this.typeNames.get(parentType) : this.fields.get(definition);
    if (known) return known;
    const traits = traitsOf(parentType, definition, this.completion.of(definition.type));
    if (name === '__typename') this.typeNames.set(parentType, traits);
    else this.fields.set(definition, traits);
    return traits;
  }
}

/** The definition of a field, those of introspection among them (spec 4.1); undefined for a field that there is not. */
function definitionOf(
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (parentType === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return parentType.getFields()[name];
}

/** Bytes, measured and rounded up: of the selections of an outcome, of each selection, of each field. */
const outcomeSize = 200;
const selectionSize = 120;
const fieldSize = 100;
/** Bytes that the arguments of a field add to it, and finding it again by its node. */
const argumentsSize = 200;
const knownSize = 230;

/**
 * The selections of an operation for one outcome of its conditions. They are compiled when the first object is there that
 * they are for, and what is written once is compiled once, however often its fragment is spread.
 */
export class Selections implements SelectionCompiler {
  /** Fields by the first of their nodes. Without fragments every node is come by on one way only, and nothing is kept. */
  private readonly fields: Map<FieldNode, Field[]> | undefined;
  private rootSelection: Selection | undefined;
  /** Bytes that are counted in the memory of the document. */
  private bytes = 0;

  /** @param conditions - Values of the variables that @skip and @include name. */
  constructor(
    private readonly traits: SchemaTraits,
    private readonly source: OperationSource,
    readonly conditions: Variables,
    private readonly memory: Memory,
  ) {
    this.takes(outcomeSize);
    for (const _ in source.fragments) {
      this.fields = new Map();
      break;
    }
  }

  /** Counts bytes of what is kept for as long as they are. */
  takes(bytes: number): void {
    this.bytes += bytes;
    this.memory.bytes += bytes;
  }

  /** To be called when they are dropped. */
  forget(): void {
    this.takes(-this.bytes);
  }

  /** @throws GraphQLError for an operation that the schema has no type for, and as {@link select} */
  root(): Selection {
    if (this.rootSelection) return this.rootSelection;
    const { schema, operation } = this.source;
    const type = schema.getRootType(operation.operation);
    if (!type) {
      throw new GraphQLError(`Schema is not configured to execute ${operation.operation} operation.`, {
        nodes: operation,
      });
    }
    this.rootSelection = this.compile(type, this.collect(type, operation.selectionSet));
    return this.rootSelection;
  }

  select(type: GraphQLObjectType, nodes: readonly FieldNode[]): Selection {
    const { schema, fragments } = this.source;
    return this.compile(type, collectSubfields(schema, fragments, this.conditions, type, nodes));
  }

  private collect(type: GraphQLObjectType, selectionSet: SelectionSetNode): Map<string, readonly FieldNode[]> {
    const { schema, fragments } = this.source;
    return collectFields(schema, fragments, this.conditions, type, selectionSet);
  }

  private compile(type: GraphQLObjectType, groups: ReadonlyMap<string, readonly FieldNode[]>): Selection {
    const fields: Field[] = [];
    for (const [key, nodes] of groups) {
      const field = this.field(type, key, nodes);
      if (field) fields.push(field);
    }
    this.takes(selectionSize);
    // A list that was pushed to keeps room for more.
    return new Selection(type, [...fields], this.traits.results.of(type));
  }

  private field(type: GraphQLObjectType, key: string, nodes: readonly FieldNode[]): Field | undefined {
    const [first] = nodes;
    const traits = first && this.traits.field(type, first);
    if (!traits) return undefined;
    const known = this.fields?.get(first) ?? [];
    const same = known.find((field) => field.traits === traits && isSame(field.nodes, nodes));
    if (same) return same;
    this.takes(fieldSize + (traits.definition.args.length > 0 ? argumentsSize : 0) + (this.fields ? knownSize : 0));
    const field = new traits.Field(key, nodes.length === 1 ? first : nodes, traits, this);
    this.fields?.set(first, [...known, field]);
    return field;
  }
}

function isSame(left: readonly FieldNode[], right: readonly FieldNode[]): boolean {
  return left.length === right.length && left.every((node, index) => node === right[index]);
}
