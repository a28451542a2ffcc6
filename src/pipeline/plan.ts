import {
  getDirectiveValues,
  getNamedType,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  isAbstractType,
  isInterfaceType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { GatewayError } from '../errors';
import { accessOf, denial, type Rule } from '../schema/access';
import type { Caller } from '../schema/context';

/** What can be decided about an operation when its document is first seen. */
export interface OperationPlan {
  readonly operation: OperationDefinitionNode;
  /** False where every field is public: AuthService is then not asked. */
  readonly needsSession: boolean;
  /** The longest that any of its RPCs may take, in ms. */
  readonly timeout: number;
  /** Rules of its fields, as far as they do not depend on an object. */
  readonly rules: ReadonlySet<Rule>;
  /** The fields that it selects under given variables, the conditions of @skip and @include applied. */
  readonly selected: (variables: Variables) => Iterable<GraphQLField<unknown, unknown>>;
}

type Variables = Readonly<Record<string, unknown>>;

/** Plans of all operations of a valid document. */
export function planDocument(schema: GraphQLSchema, document: DocumentNode): OperationPlan[] {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((operation) => planOperation(operation, new Selections(schema, fragments)));
}

function planOperation(operation: OperationDefinitionNode, selections: Selections): OperationPlan {
  const rules = new Set<Rule>();
  let timeout = 0;
  for (const field of selections.fieldsOf(operation, undefined)) {
    timeout = Math.max(timeout, (field.extensions['timeout'] as number | undefined) ?? 0);
    for (const rule of accessOf(field)) rules.add(independent(rule));
  }
  return {
    operation,
    needsSession: rules.size > 0,
    timeout,
    rules,
    selected: (variables) => selections.fieldsOf(operation, variables),
  };
}

const signedIn: Rule = {};

/** Whether "or the user themselves" holds is known only with the object at hand; being signed in is needed anyway. */
function independent(rule: Rule): Rule {
  return rule.orSelf === undefined ? rule : signedIn;
}

/**
 * The reason to refuse an operation whole, before anything of it runs; undefined where the caller may have all of it.
 * For mutations: of a query, each field is refused on its own.
 */
export function refusal(
  plan: OperationPlan,
  caller: Caller | GatewayError,
  variables: Variables,
): GatewayError | undefined {
  // Nearly always nothing is refused, and then conditions do not matter.
  if (![...plan.rules].some((rule) => denial(rule, caller))) return undefined;
  for (const field of plan.selected(variables)) {
    for (const rule of accessOf(field)) {
      const denied = denial(independent(rule), caller);
      if (denied) return denied;
    }
  }
  return undefined;
}

function isIncluded(selection: SelectionNode, variables: Variables): boolean {
  if (!selection.directives?.length) return true;
  return (
    getDirectiveValues(GraphQLSkipDirective, selection, variables)?.['if'] !== true &&
    getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.['if'] !== false
  );
}

/** Walks what operations select. A fragment is walked once, however often it is spread: the work stays within the text's size. */
class Selections {
  constructor(
    private readonly schema: GraphQLSchema,
    private readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  ) {}

  /**
   * Every field that an operation selects, of each object type that it may be selected from.
   *
   * @param variables - With them, what @skip and @include leave out is left out; without, nothing is.
   */
  fieldsOf(operation: OperationDefinitionNode, variables: Variables | undefined): GraphQLField<unknown, unknown>[] {
    const root = this.schema.getRootType(operation.operation);
    const walk: Walk = { variables, fields: [], seen: new Set() };
    if (root) this.visit(operation.selectionSet, root, walk);
    return walk.fields;
  }

  private visit(selections: SelectionSetNode, type: GraphQLNamedType, walk: Walk): void {
    for (const selection of selections.selections) {
      if (walk.variables && !isIncluded(selection, walk.variables)) continue;
      if (selection.kind === Kind.FIELD) this.field(selection, type, walk);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition && this.schema.getType(selection.typeCondition.name.value);
        this.visit(selection.selectionSet, condition ?? type, walk);
      } else this.spread(selection.name.value, walk);
    }
  }

  private field({ name, selectionSet }: FieldNode, type: GraphQLNamedType, walk: Walk): void {
    for (const object of this.objectsOf(type)) {
      const field = object.getFields()[name.value];
      if (field) walk.fields.push(field);
    }
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
    if (field && selectionSet) this.visit(selectionSet, getNamedType(field.type), walk);
  }

  private spread(name: string, walk: Walk): void {
    const fragment = this.fragments.get(name);
    const type = fragment && this.schema.getType(fragment.typeCondition.name.value);
    if (!type || walk.seen.has(name)) return;
    walk.seen.add(name);
    this.visit(fragment.selectionSet, type, walk);
  }

  private objectsOf(type: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isAbstractType(type)) return this.schema.getPossibleTypes(type);
    return isObjectType(type) ? [type] : [];
  }
}

interface Walk {
  readonly variables: Variables | undefined;
  readonly fields: GraphQLField<unknown, unknown>[];
  /** Names of the fragments that were walked. */
  readonly seen: Set<string>;
}
