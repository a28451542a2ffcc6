import {
  astFromValue,
  getNamedType,
  isInputObjectType,
  Kind,
  TypeInfo,
  valueFromASTUntyped,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLSchema,
  type ValueNode,
  type VariableDefinitionNode,
} from 'graphql';
import { maxItemsOf } from '../../schema/compile/connection';

/** What the schema says of the argument or input field that an operation first uses a variable for. */
export interface VariableUse {
  readonly description?: string | undefined;
  readonly deprecationReason?: string | undefined;
  /** The value where the request leaves it out, with enum values as in GraphQL; undefined where there is none. */
  readonly defaultValue?: unknown;
  /** How many items a page has at most, where the variable says how many are wanted. */
  readonly maxItems?: number | undefined;
}

/** By the names of the variables. What a variable means to a condition, @skip or @include, is left out. */
export function variableUses(schema: GraphQLSchema, document: DocumentNode): ReadonlyMap<string, VariableUse> {
  const filled = new Map<string, Filled>();
  const definitions: VariableDefinitionNode[] = [];
  const typeInfo = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(typeInfo, {
      VariableDefinition(node) {
        definitions.push(node);
        return false;
      },
      Variable({ name }, _key, parent) {
        if (filled.has(name.value) || typeInfo.getDirective()) return;
        const found = filledBy(parent, typeInfo);
        if (found) filled.set(name.value, found);
      },
    }),
  );
  return new Map(
    definitions.map(({ variable: { name }, defaultValue }) => [
      name.value,
      useOf(filled.get(name.value), defaultValue),
    ]),
  );
}

type Filled = GraphQLArgument | GraphQLInputField;

/** The argument or input field that a variable is the whole value of. */
function filledBy(parent: unknown, typeInfo: TypeInfo): Filled | undefined {
  const { kind, name } = parent as { readonly kind?: Kind; readonly name?: { readonly value: string } };
  if (kind === Kind.ARGUMENT) return typeInfo.getArgument() ?? undefined;
  const owner = getNamedType(typeInfo.getParentInputType());
  if (kind !== Kind.OBJECT_FIELD || !isInputObjectType(owner)) return undefined;
  return owner.getFields()[name?.value ?? ''];
}

function useOf(filled: Filled | undefined, ownDefault: ValueNode | undefined): VariableUse {
  const node =
    ownDefault ?? (filled?.defaultValue === undefined ? undefined : astFromValue(filled.defaultValue, filled.type));
  return {
    description: filled?.description ?? undefined,
    deprecationReason: filled?.deprecationReason ?? undefined,
    // Null is what leaving it out means anyway.
    defaultValue: node && node.kind !== Kind.NULL ? valueFromASTUntyped(node) : undefined,
    maxItems: filled && maxItemsOf(filled),
  };
}
