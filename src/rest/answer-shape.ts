import {
  getNamedType,
  isEnumType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import type { Findings } from '../diagnostics/findings';
import { directiveArgs } from '../schema/directive-nodes';
import { casedNames, type EnumCase } from './enum-case';

/** How an answer is written: the fields that do not go out as they come. Undefined where all of them do. */
export interface AnswerShape {
  /** By response key. */
  readonly fields: ReadonlyMap<string, FieldShape>;
}

interface FieldShape {
  /** True for a member of a oneof: one that is not set is left out. */
  readonly leaveOutNull: boolean;
  /** Undefined where the values of the enum are written as in GraphQL. */
  readonly enumCase: EnumCase | undefined;
  /** How they are written, by their names in GraphQL. */
  readonly enumNames: ReadonlyMap<string, string> | undefined;
  readonly nested: AnswerShape | undefined;
}

/** Compiles the shape of what an operation's selections answer; findings for @enumCase on what is no enum. */
export function compileAnswerShape(
  schema: GraphQLSchema,
  document: DocumentNode,
  selections: SelectionSetNode,
  type: GraphQLOutputType,
  findings: Findings,
): AnswerShape | undefined {
  return new ShapeCompiler(schema, document, findings).compile(selections, type);
}

class ShapeCompiler {
  private readonly fragments = new Map<string, FragmentDefinitionNode>();

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly findings: Findings,
  ) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(definition.name.value, definition);
    }
  }

  compile(selections: SelectionSetNode, type: GraphQLOutputType): AnswerShape | undefined {
    const fields = new Map<string, FieldShape>();
    this.collect(selections, type, fields);
    return fields.size === 0 ? undefined : { fields };
  }

  private collect(selections: SelectionSetNode, type: GraphQLOutputType, into: Map<string, FieldShape>): void {
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        const shape = this.compileField(selection, type);
        if (shape) into.set(selection.alias?.value ?? selection.name.value, shape);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.collect(selection.selectionSet, this.typeOf(selection.typeCondition?.name.value) ?? type, into);
      } else {
        const fragment = this.fragments.get(selection.name.value);
        if (fragment) this.collect(fragment.selectionSet, this.typeOf(fragment.typeCondition.name.value) ?? type, into);
      }
    }
  }

  private compileField(node: FieldNode, parent: GraphQLOutputType): FieldShape | undefined {
    const field = isObjectType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (!field) return undefined;
    const type = getNamedType(field.type);
    const nested = node.selectionSet && this.compile(node.selectionSet, type);
    const leaveOutNull = field.extensions['oneOf'] === true;
    const enumCase = directiveArgs(node, 'enumCase')?.['as'] as EnumCase | undefined;
    if (enumCase && !isEnumType(type)) {
      this.findings.at(node, `${field.name} has @enumCase, and ${String(field.type)} is no enum`, 'Remove @enumCase.');
    }
    const enumNames = enumCase && isEnumType(type) ? casedNames(type, enumCase) : undefined;
    return nested || leaveOutNull || enumNames ? { leaveOutNull, enumCase, enumNames, nested } : undefined;
  }

  private typeOf(name: string | undefined): GraphQLOutputType | undefined {
    return name === undefined ? undefined : (this.schema.getType(name) as GraphQLOutputType | undefined);
  }
}

/** Writes an answer in the shape that its route has. */
export function shapeAnswer(value: unknown, shape: AnswerShape | undefined): unknown {
  if (!shape || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => shapeAnswer(item, shape));
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const fieldShape = shape.fields.get(key);
    if (!fieldShape) result[key] = field;
    else if (field !== null || !fieldShape.leaveOutNull) result[key] = shapeField(field, fieldShape);
  }
  return result;
}

function shapeField(value: unknown, { enumNames, nested }: FieldShape): unknown {
  return enumNames && typeof value === 'string' ? (enumNames.get(value) ?? value) : shapeAnswer(value, nested);
}
