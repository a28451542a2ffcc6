import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  print,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import { fragmentsOf } from '../execution/compiled-operation';
import type { Findings } from '../diagnostics/findings';
import { GatewayError } from '../errors';
import { argsOf, directiveArgs, directiveOn } from '../schema/directive-nodes';
import { writtenNames, type EnumCase } from './enum-case';

/** The fields of an answer that are not written as they come; undefined where there are none. */
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
  /** The response header that the value is sent in; undefined for one in the body. */
  readonly header: string | undefined;
  readonly nested: AnswerShape | undefined;
}

/** Compiles the shape of what selections answer. Reports findings where @enumCase or @header cannot stand. */
export function compileAnswerShape(
  schema: GraphQLSchema,
  document: DocumentNode,
  selections: SelectionSetNode,
  type: GraphQLOutputType,
  { findings, isStream }: { readonly findings: Findings; readonly isStream: boolean },
): AnswerShape | undefined {
  return new ShapeCompiler(schema, document, findings).compile(selections, type, isStream);
}

/** Names of the headers that the fields of an answer are sent in. */
export function headersOf(shape: AnswerShape | undefined): string[] {
  const fields = [...(shape?.fields.values() ?? [])];
  return fields.flatMap(({ header, nested }) => (header === undefined ? headersOf(nested) : [header]));
}

type AnyField = Pick<GraphQLField<unknown, unknown>, 'name' | 'type' | 'extensions'>;

/** Selections, and the type that they are of. */
interface SelectionSet {
  readonly selections: SelectionSetNode;
  readonly type: GraphQLOutputType;
}

/** A field, and where it is selected. */
interface SelectedField {
  readonly node: FieldNode;
  readonly field: AnyField;
}

/** Undefined for a type without fields. */
function fieldOf(type: GraphQLOutputType, name: string): AnyField | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

class ShapeCompiler {
  private readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly findings: Findings,
  ) {
    this.fragments = fragmentsOf(document);
  }

  /** @param isRepeated - Whether the answer may have several of them: items of a list, events of a stream. */
  compile(selections: SelectionSetNode, type: GraphQLOutputType, isRepeated: boolean): AnswerShape | undefined {
    return this.compileAll([{ selections, type }], isRepeated);
  }

  /** @param sets - All that is selected of the same object: a member may be there in several fragments. */
  private compileAll(sets: readonly SelectionSet[], isRepeated: boolean): AnswerShape | undefined {
    const selected = new Map<string, SelectedField[]>();
    for (const { selections, type } of sets) this.collect(selections, type, selected);
    const fields = new Map<string, FieldShape>();
    for (const [key, all] of selected) {
      const shape = this.compileField(key, all, isRepeated);
      if (shape) fields.set(key, shape);
    }
    return fields.size === 0 ? undefined : { fields };
  }

  private collect(selections: SelectionSetNode, type: GraphQLOutputType, into: Map<string, SelectedField[]>): void {
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = fieldOf(type, selection.name.value);
        const key = selection.alias?.value ?? selection.name.value;
        if (field) into.set(key, [...(into.get(key) ?? []), { node: selection, field }]);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.collect(selection.selectionSet, this.typeOf(selection.typeCondition?.name.value) ?? type, into);
      } else {
        const fragment = this.fragments[selection.name.value];
        if (!fragment) continue;
        this.collect(fragment.selectionSet, this.typeOf(fragment.typeCondition.name.value) ?? type, into);
      }
    }
  }

  /** @param all - Each place that selects the member. */
  private compileField(key: string, all: readonly SelectedField[], isRepeated: boolean): FieldShape | undefined {
    const [first] = all;
    if (!first) return undefined;
    // Valid documents select lists of one depth under one key.
    const isList = isListType(getNullableType(first.field.type));
    const nested = this.compileAll(
      all.flatMap(({ node, field }) =>
        node.selectionSet ? [{ selections: node.selectionSet, type: getNamedType(field.type) }] : [],
      ),
      isRepeated || isList,
    );
    const leaveOutNull = all.every(({ field }) => field.extensions['oneOf'] !== undefined);
    for (const directive of ['enumCase', 'header']) this.checkAgreement(key, all, directive);
    const enumCase = directiveArgs(first.node, 'enumCase')?.['as'] as EnumCase | undefined;
    const names = all.flatMap(({ node, field }) => this.compileEnum(node, field));
    const header = this.compileHeader(first.node, isList ? undefined : getNamedType(first.field.type), isRepeated);
    const enumNames = names.length === 0 ? undefined : new Map(names);
    const isPlain = !nested && !leaveOutNull && !enumNames && header === undefined;
    return isPlain ? undefined : { leaveOutNull, enumCase, enumNames, header, nested };
  }

  /** Reports a finding where the places that select a member differ in a directive: the answer has the member once. */
  private checkAgreement(key: string, [first, ...others]: readonly SelectedField[], directive: string): void {
    const written = (each: SelectedField | undefined): string | undefined => {
      const node = each && directiveOn(each.node, directive);
      return node && print(node);
    };
    const other = others.find((each) => written(each) !== written(first));
    if (!other) return;
    this.findings.at(
      other.node,
      `${key} is selected more than once, and not with the same @${directive}`,
      'Write the same wherever it is selected, or give one of them an alias.',
    );
  }

  /** How the values of an enum are written, by their names in GraphQL; empty without @enumCase. */
  private compileEnum(node: FieldNode, field: AnyField): readonly (readonly [string, string])[] {
    const enumCase = directiveArgs(node, 'enumCase')?.['as'] as EnumCase | undefined;
    if (!enumCase) return [];
    const type = getNamedType(field.type);
    if (isEnumType(type)) return [...writtenNames(type, enumCase)];
    this.findings.at(node, `${field.name} has @enumCase, and ${String(field.type)} is no enum`, 'Remove @enumCase.');
    return [];
  }

  /** @param type - Undefined for a list. */
  private compileHeader(node: FieldNode, type: GraphQLNamedType | undefined, isRepeated: boolean): string | undefined {
    const directive = directiveOn(node, 'header');
    if (!directive) return undefined;
    const name = String(argsOf(directive)['name']).toLowerCase();
    const field = node.name.value;
    if (!isLeafType(type)) {
      this.findings.at(directive, `${field} is no single value, which a header holds`, 'Remove @header.');
    } else if (isRepeated) {
      this.findings.at(
        directive,
        `${field} may be there several times in an answer, in a list or a stream`,
        'Remove @header.',
      );
    } else if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || ownHeaders.test(name)) {
      this.findings.at(
        directive,
        `"${name}" is not a header that a route may have`,
        'Use a name of its own, such as X-Total-Count, Location or ETag.',
      );
    }
    return name;
  }

  private typeOf(name: string | undefined): GraphQLOutputType | undefined {
    return name === undefined ? undefined : (this.schema.getType(name) as GraphQLOutputType | undefined);
  }
}

/** Headers that the gateway writes, or that say how the answer is sent. */
const ownHeaders =
  /^(access-control-.*|connection|content-.*|date|keep-alive|proxy-.*|ratelimit.*|referrer-policy|retry-after|set-cookie|strict-transport-security|te|trailer|transfer-encoding|upgrade|vary|x-content-type-options|x-request-id)$/;

/**
 * Writes an answer in the shape that its route has.
 *
 * @param headers - Gets the fields that are sent in headers.
 * @throws GatewayError UPSTREAM_ERROR for a value that no header can hold
 */
export function shapeAnswer(
  value: unknown,
  shape: AnswerShape | undefined,
  headers: Record<string, string> = {},
): unknown {
  if (!shape || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => shapeAnswer(item, shape, headers));
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const fieldShape = shape.fields.get(key);
    if (!fieldShape) result[key] = field;
    else if (fieldShape.header !== undefined) {
      if (field !== null) {
        headers[fieldShape.header] = headerText(shapeField(field, fieldShape, headers), fieldShape.header);
      }
    } else if (field !== null || !fieldShape.leaveOutNull) result[key] = shapeField(field, fieldShape, headers);
  }
  return result;
}

/** Characters of the longest header that clients read: those of Node take 16 KB for all of them. */
const longestHeader = 4096;

/** What a header may hold: ASCII alone, since others are not read by everybody alike (RFC 9110, 5.5). */
function headerText(value: unknown, name: string): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text.length <= longestHeader && /^[\t\x20-\x7e]*$/.test(text)) return text;
  const cause = new Error(`the value for the header "${name}" is too long, or has other characters than ASCII`);
  throw new GatewayError('UPSTREAM_ERROR', undefined, { cause });
}

function shapeField(value: unknown, shape: FieldShape, headers: Record<string, string>): unknown {
  const { enumNames, nested } = shape;
  if (!enumNames) return shapeAnswer(value, nested, headers);
  if (Array.isArray(value)) return value.map((item) => shapeField(item, shape, headers));
  return typeof value === 'string' ? (enumNames.get(value) ?? value) : value;
}
