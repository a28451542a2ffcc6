import {
  getNamedType,
  getNullableType,
  isEnumType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import { fragmentsOf } from '../execution/compiled-operation';
import type { Findings } from '../diagnostics/findings';
import { GatewayError } from '../errors';
import { argsOf, directiveArgs, directiveOn } from '../schema/directive-nodes';
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
  /** The response header that the value is sent in; undefined for one in the body. */
  readonly header: string | undefined;
  readonly nested: AnswerShape | undefined;
}

/** Compiles the shape of what an operation's selections answer; findings for @enumCase and @header where they cannot be. */
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
    const fields = new Map<string, FieldShape>();
    this.collect(selections, type, isRepeated, fields);
    return fields.size === 0 ? undefined : { fields };
  }

  private collect(
    selections: SelectionSetNode,
    type: GraphQLOutputType,
    isRepeated: boolean,
    into: Map<string, FieldShape>,
  ): void {
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        const shape = this.compileField(selection, type, isRepeated);
        if (shape) into.set(selection.alias?.value ?? selection.name.value, shape);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.collect(
          selection.selectionSet,
          this.typeOf(selection.typeCondition?.name.value) ?? type,
          isRepeated,
          into,
        );
      } else {
        const fragment = this.fragments[selection.name.value];
        if (!fragment) continue;
        this.collect(fragment.selectionSet, this.typeOf(fragment.typeCondition.name.value) ?? type, isRepeated, into);
      }
    }
  }

  private compileField(node: FieldNode, parent: GraphQLOutputType, isRepeated: boolean): FieldShape | undefined {
    const field = isObjectType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (!field) return undefined;
    const type = getNamedType(field.type);
    const isList = isListType(getNullableType(field.type));
    const nested = node.selectionSet && this.compile(node.selectionSet, type, isRepeated || isList);
    const leaveOutNull = field.extensions['oneOf'] !== undefined;
    const enumCase = directiveArgs(node, 'enumCase')?.['as'] as EnumCase | undefined;
    if (enumCase && !isEnumType(type)) {
      this.findings.at(node, `${field.name} has @enumCase, and ${String(field.type)} is no enum`, 'Remove @enumCase.');
    }
    const enumNames = enumCase && isEnumType(type) ? casedNames(type, enumCase) : undefined;
    const header = this.compileHeader(node, isList ? undefined : type, isRepeated);
    const isPlain = !nested && !leaveOutNull && !enumNames && header === undefined;
    return isPlain ? undefined : { leaveOutNull, enumCase, enumNames, header, nested };
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
      this.findings.at(directive, `${field} may be there several times in an answer`, 'Remove @header.');
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

/** What a header may hold (RFC 9110, 5.5). */
function headerText(value: unknown, name: string): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) return text;
  const cause = new Error(`the value for the header "${name}" has characters that no header may have`);
  throw new GatewayError('UPSTREAM_ERROR', undefined, { cause });
}

function shapeField(value: unknown, { enumNames, nested }: FieldShape, headers: Record<string, string>): unknown {
  return enumNames && typeof value === 'string' ? (enumNames.get(value) ?? value) : shapeAnswer(value, nested, headers);
}
