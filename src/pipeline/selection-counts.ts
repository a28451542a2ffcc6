import { getNamedType, type FieldNode, type GraphQLField, type GraphQLObjectType } from 'graphql';
import type { OperationSource } from '../execution/operation-source';
import type { Variables } from '../execution/run';
import { collectFields, collectSubfields } from '../internals/graphql';
import { maxSelectedFields } from './operation-cost';
import { objectTypesOf } from '../schema/object-types';

type Field = GraphQLField<unknown, unknown>;

/** How often an operation asks for fields. */
export type SelectionCounts = ReadonlyMap<Field, number>;

const none: SelectionCounts = new Map();

/**
 * Counts how often an operation asks for fields, as they are executed: each alias counts, what is written twice under one name does
 * not, and the items of a list do not either. Of an object that may be of several types the most counts.
 *
 * @param conditions - Values of the variables that @skip and @include name.
 * @param isCounted - The fields to count.
 * @returns undefined where the operation selects more than {@link maxSelectedFields}
 */
export function countSelections(
  { schema, operation, fragments }: OperationSource,
  conditions: Variables,
  isCounted: (field: Field) => boolean,
): SelectionCounts | undefined {
  let seen = 0;

  function ofSelection(type: GraphQLObjectType, groups: ReadonlyMap<string, readonly FieldNode[]>): SelectionCounts {
    let counts = none;
    for (const nodes of groups.values()) {
      seen += 1;
      if (seen > maxSelectedFields) return none;
      const field = nodes[0] && type.getFields()[nodes[0].name.value];
      if (!field) continue;
      if (isCounted(field)) counts = combined(counts, new Map([[field, 1]]), (one, other) => one + other);
      counts = combined(counts, ofChildren(field, nodes), (one, other) => one + other);
    }
    return counts;
  }

  function ofChildren(field: Field, nodes: readonly FieldNode[]): SelectionCounts {
    const type = getNamedType(field.type);
    return objectTypesOf(schema, type)
      .map((each) => ofSelection(each, collectSubfields(schema, fragments, conditions, each, nodes)))
      .reduce((one, other) => combined(one, other, Math.max), none);
  }

  const root = schema.getRootType(operation.operation);
  if (!root) return none;
  const counts = ofSelection(root, collectFields(schema, fragments, conditions, root, operation.selectionSet));
  return seen > maxSelectedFields ? undefined : counts;
}

function combined(
  one: SelectionCounts,
  other: SelectionCounts,
  how: (one: number, other: number) => number,
): SelectionCounts {
  if (other.size === 0) return one;
  if (one.size === 0) return other;
  const all = new Map(one);
  for (const [field, count] of other) all.set(field, how(all.get(field) ?? 0, count));
  return all;
}
