import {
  getNamedType,
  isIntrospectionType,
  isLeafType,
  isListType,
  getNullableType,
  Kind,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type ValueNode,
} from 'graphql';
import type { OperationSource } from '../execution/operation-source';
import type { Variables } from '../execution/run';
import { collectFields, collectSubfields } from '../internals/graphql';
import { assumedSize, callWeight, costOf, type ListSize } from '../schema/cost';
import { objectTypesOf } from '../schema/object-types';

/** What an operation costs, as far as its document says. */
export interface OperationCost {
  /** By the coerced values of its variables. */
  readonly of: (variables: Variables) => number;
  /** Bytes that this takes, about. */
  readonly bytes: number;
}

/**
 * Fields that are looked at to work out what an operation costs, those of fragments as often as they are spread. Beyond this the
 * cost counts as infinite: most fields cost 1 or more, and what depends on the document alone must not take long.
 */
export const maxSelectedFields = 10_000;

/** What a part of an operation costs where it is executed `times` times. */
type Term = (times: number, variables: Variables) => number;

/** A part of an operation: what costs the same for each execution, and what does not. */
interface Part {
  readonly each: number;
  /** How many fields of it are looked up together with others, by the keys that one call takes. */
  readonly calls: ReadonlyMap<number, number>;
  readonly terms: readonly Term[];
}

const noCalls: Part['calls'] = new Map();
const nothing: Part = { each: 0, calls: noCalls, terms: [] };

/** Bytes, measured and rounded up: of a cost that is kept, and of a term with the part that it is for. */
const costSize = 100;
const termSize = 700;

/**
 * Works out what an operation costs, as far as its document says: fields of one response name count once, as they are executed.
 *
 * @param conditions - Values of the variables that @skip and @include name.
 */
export function compileCost(source: OperationSource, conditions: Variables): OperationCost {
  const type = source.schema.getRootType(source.operation.operation);
  if (!type) return { of: () => 0, bytes: costSize };
  const compiler = new CostCompiler(source, conditions);
  const part = compiler.selection(
    type,
    collectFields(source.schema, source.fragments, conditions, type, source.operation.selectionSet),
    undefined,
  );
  if (compiler.isOver) return { of: () => Infinity, bytes: costSize };
  const bytes = costSize + compiler.terms * termSize;
  if (!isVariable(part)) return { of: () => part.each, bytes };
  return { of: (variables) => evaluate(part, 1, variables), bytes };
}

/** True where a part costs not the same for each execution. */
function isVariable({ calls, terms }: Part): boolean {
  return calls.size > 0 || terms.length > 0;
}

function evaluate({ each, calls, terms }: Part, times: number, variables: Variables): number {
  let total = each * times;
  for (const [batch, count] of calls) total += count * callWeight * Math.ceil(times / batch);
  for (const term of terms) total += term(times, variables);
  return total;
}

/** A list's size where the operation has it, by its variables. */
type Size = (variables: Variables) => number;

class CostCompiler {
  /** Terms that were made. */
  terms = 0;
  private fields = 0;

  constructor(
    private readonly source: OperationSource,
    private readonly conditions: Variables,
  ) {}

  get isOver(): boolean {
    return this.fields > maxSelectedFields;
  }

  /** @param sized - Sizes of lists of the object, by name, where the field that gives the object says them. */
  selection(
    type: GraphQLObjectType,
    groups: ReadonlyMap<string, readonly FieldNode[]>,
    sized: ReadonlyMap<string, Size | number> | undefined,
  ): Part {
    let each = 0;
    const calls = new Map<number, number>();
    const terms: Term[] = [];
    for (const nodes of groups.values()) {
      this.fields += 1;
      if (this.isOver) return nothing;
      const [first] = nodes;
      const field = first && type.getFields()[first.name.value];
      if (!field) {
        // __typename and introspection.
        each += 1;
        continue;
      }
      const part = this.field(field, nodes, sized?.get(field.name));
      each += part.each;
      for (const [batch, count] of part.calls) calls.set(batch, (calls.get(batch) ?? 0) + count);
      terms.push(...part.terms);
    }
    return { each, calls: calls.size === 0 ? noCalls : calls, terms };
  }

  private field(
    field: GraphQLField<unknown, unknown>,
    nodes: readonly FieldNode[],
    givenSize: Size | number | undefined,
  ): Part {
    const { weight, batch, argumentWeights, size } = costOf(field);
    const [node] = nodes;
    let each = weight;
    for (const { name } of node?.arguments ?? []) each += argumentWeights?.get(name.value) ?? 0;
    const calls = batch === undefined ? noCalls : new Map([[batch, 1]]);
    const named = getNamedType(field.type);
    if (isLeafType(named) || !node) return { each, calls, terms: [] };
    const own = size && sizeFor(size, field, node);
    const sized = size?.sizedFields && own !== undefined ? sizedMap(size.sizedFields, own) : undefined;
    const children = this.children(named, nodes, sized);
    const isList = isListType(getNullableType(field.type));
    if (!isList) return { each: each + children.each, calls: sum(calls, children.calls), terms: children.terms };
    const items = givenSize ?? (size?.sizedFields ? undefined : own) ?? (isIntrospectionType(named) ? 1 : assumedSize);
    if (typeof items === 'number') {
      if (!isVariable(children)) return { each: each + children.each * items, calls, terms: [] };
      return this.withTerm(each, calls, (times, variables) => evaluate(children, times * items, variables));
    }
    return this.withTerm(each, calls, (times, variables) => evaluate(children, times * items(variables), variables));
  }

  private withTerm(each: number, calls: Part['calls'], term: Term): Part {
    this.terms += 1;
    return { each, calls, terms: [term] };
  }

  /** What is selected of an object; the dearest where it may be of several types. */
  private children(
    type: ReturnType<typeof getNamedType>,
    nodes: readonly FieldNode[],
    sized: ReadonlyMap<string, Size | number> | undefined,
  ): Part {
    const { schema, fragments } = this.source;
    const parts = objectTypesOf(schema, type).map((each) =>
      this.selection(each, collectSubfields(schema, fragments, this.conditions, each, nodes), sized),
    );
    const [only = nothing] = parts;
    if (parts.length <= 1) return only;
    if (!parts.some(isVariable)) return { ...nothing, each: Math.max(...parts.map(({ each }) => each)) };
    this.terms += parts.length;
    const dearest: Term = (times, variables) => Math.max(...parts.map((part) => evaluate(part, times, variables)));
    return { ...nothing, terms: [dearest] };
  }
}

function sum(one: Part['calls'], other: Part['calls']): Part['calls'] {
  if (one.size === 0) return other;
  if (other.size === 0) return one;
  const both = new Map(one);
  for (const [batch, count] of other) both.set(batch, (both.get(batch) ?? 0) + count);
  return both;
}

function sizedMap(names: ReadonlySet<string>, size: Size | number): ReadonlyMap<string, Size | number> {
  return new Map([...names].map((name) => [name, size]));
}

/** The size of a list as an operation asks for it: a number where it does not depend on variables. */
function sizeFor({ of, slicing }: ListSize, field: GraphQLField<unknown, unknown>, node: FieldNode): Size | number {
  const constants: Record<string, unknown> = {};
  const variables: (readonly [argument: string, variable: string])[] = [];
  for (const name of slicing) {
    const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
    const preset = field.args.find((argument) => argument.name === name)?.defaultValue;
    if (value?.kind === Kind.VARIABLE) variables.push([name, value.name.value]);
    constants[name] = value && value.kind !== Kind.VARIABLE ? integerIn(value) : preset;
  }
  if (variables.length === 0) return of(constants);
  return (given) => {
    const args = { ...constants };
    for (const [argument, variable] of variables) if (Object.hasOwn(given, variable)) args[argument] = given[variable];
    return of(args);
  };
}

function integerIn(value: ValueNode): number | null {
  return value.kind === Kind.INT ? Number(value.value) : null;
}
