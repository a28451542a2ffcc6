import {
  getNamedType,
  isLeafType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { fragmentsOf } from '../../execution/compiled-operation';
import { objectTypesOf } from '../../schema/object-types';
import type { AnswerShape } from '../answer-shape';
import type { EnumCase } from '../enum-case';
import type { SchemaComponents } from './components';
import { described, leafSchema, withDescription, withoutNull, wrapped, type JsonSchema } from './json-schema';

interface Selected {
  readonly node: FieldNode;
  /** Whether @skip or @include may leave it out. */
  readonly isConditional: boolean;
}

/**
 * Keyword with groups of properties, the members of a oneof each: an answer has at most one of a group. JSON Schema could say so by
 * `not`, which generators of clients do not know.
 */
export const oneOfKeyword = 'x-oneof';

/** What an operation answers, as its selections and the shape of its route have it. Objects become components. */
export class AnswerSchemas {
  private readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** Response headers that fields are sent in. */
  readonly headers: Record<string, JsonSchema> = {};

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly components: SchemaComponents,
  ) {
    this.fragments = fragmentsOf(document);
  }

  /** @param nodes - The selections of one response key. */
  ofField(type: GraphQLOutputType, nodes: readonly FieldNode[], shape: AnswerShape | undefined): JsonSchema {
    const named = getNamedType(type);
    if (isLeafType(named)) return wrapped(type, leafSchema(named, undefined));
    return wrapped(type, this.ofObject(named, nodes, shape));
  }

  private ofObject(type: GraphQLNamedType, nodes: readonly FieldNode[], shape: AnswerShape | undefined): JsonSchema {
    const schemas = objectTypesOf(this.schema, type).map((each) => this.ofType(each, nodes, shape));
    return schemas.length === 1 ? schemas[0]! : { anyOf: schemas };
  }

  private ofType(type: GraphQLObjectType, nodes: readonly FieldNode[], shape: AnswerShape | undefined): JsonSchema {
    const properties: Record<string, JsonSchema> = {};
    const required: string[] = [];
    const members = new Map<unknown, string[]>();
    for (const [key, selected] of this.collect(type, nodes)) {
      const name = selected[0]?.node.name.value ?? '';
      if (name === '__typename') {
        properties[key] = { type: 'string', const: type.name };
        required.push(key);
        continue;
      }
      const field = type.getFields()[name];
      if (!field) continue;
      const how = shape?.fields.get(key);
      const value = this.ofValue(
        field,
        selected.map(({ node }) => node),
        how?.nested,
        how?.enumCase,
      );
      if (how?.header !== undefined) {
        // A header whose value would be null is left out.
        this.headers[how.header] = withoutNull(value);
      } else if (how?.leaveOutNull) {
        properties[key] = withoutNull(value);
        const oneOf = field.extensions['oneOf'];
        members.set(oneOf, [...(members.get(oneOf) ?? []), key]);
      } else {
        properties[key] = value;
        if (selected.some(({ isConditional }) => !isConditional)) required.push(key);
      }
    }
    return this.components.add(type.name, {
      type: 'object',
      ...described(type),
      properties,
      ...(required.length === 0 ? {} : { required }),
      ...(members.size === 0 ? {} : { [oneOfKeyword]: [...members.values()] }),
    });
  }

  /** The fields of a type that are selected, by response key, whatever @skip and @include say. */
  private collect(type: GraphQLObjectType, nodes: readonly FieldNode[]): ReadonlyMap<string, Selected[]> {
    const found = new Map<string, Selected[]>();
    const visit = ({ selections }: SelectionSetNode, isWithin: boolean): void => {
      for (const selection of selections) {
        const isConditional = isWithin || hasConditions(selection);
        if (selection.kind === Kind.FIELD) {
          const key = (selection.alias ?? selection.name).value;
          found.set(key, [...(found.get(key) ?? []), { node: selection, isConditional }]);
          continue;
        }
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.fragments[selection.name.value];
        if (fragment && this.applies(fragment.typeCondition?.name.value, type)) {
          visit(fragment.selectionSet, isConditional);
        }
      }
    };
    for (const { selectionSet } of nodes) if (selectionSet) visit(selectionSet, false);
    return found;
  }

  private applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    return condition === undefined || objectTypesOf(this.schema, this.schema.getType(condition)).includes(type);
  }

  private ofValue(
    field: GraphQLField<unknown, unknown>,
    nodes: readonly FieldNode[],
    nested: AnswerShape | undefined,
    enumCase: EnumCase | undefined,
  ): JsonSchema {
    const named = getNamedType(field.type);
    const inner = isLeafType(named) ? leafSchema(named, enumCase) : this.ofObject(named, nodes, nested);
    return withDescription(wrapped(field.type, inner), field);
  }
}

/** Whether @skip or @include may leave a selection out. */
function hasConditions({ directives = [] }: SelectionNode): boolean {
  return directives.some(({ name: { value } }) => value === 'skip' || value === 'include');
}
