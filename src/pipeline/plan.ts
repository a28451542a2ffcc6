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
  /** Rules of its fields that do not depend on an object, each with the conditions that it stands under. */
  readonly demands: readonly Demand[];
}

interface Demand {
  readonly rule: Rule;
  /** Selections from the root down that may be left out by @skip or @include. */
  readonly conditions: readonly SelectionNode[];
}

/** Plans of all operations of a valid document. */
export function planDocument(schema: GraphQLSchema, document: DocumentNode): OperationPlan[] {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((operation) => new Planner(schema, fragments).plan(operation));
}

/**
 * The reason to refuse an operation whole, before anything of it runs; undefined where the caller may have all of it.
 * For mutations: of a query, each field is refused on its own.
 */
export function refusal(
  plan: OperationPlan,
  caller: Caller | GatewayError,
  variables: Readonly<Record<string, unknown>>,
): GatewayError | undefined {
  for (const { rule, conditions } of plan.demands) {
    const denied = denial(rule, caller);
    if (denied && conditions.every((selection) => isIncluded(selection, variables))) return denied;
  }
  return undefined;
}

function isIncluded(selection: SelectionNode, variables: Readonly<Record<string, unknown>>): boolean {
  return (
    getDirectiveValues(GraphQLSkipDirective, selection, variables)?.['if'] !== true &&
    getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.['if'] !== false
  );
}

class Planner {
  private readonly demands: Demand[] = [];
  private timeout = 0;
  /** A fragment is looked into once per type that it is spread on: spreading it a million times costs no more. */
  private readonly seen = new Set<string>();

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  ) {}

  plan(operation: OperationDefinitionNode): OperationPlan {
    const root = this.schema.getRootType(operation.operation);
    if (root) this.visit(operation.selectionSet, root, []);
    return { operation, needsSession: this.demands.length > 0, timeout: this.timeout, demands: this.demands };
  }

  private visit(selections: SelectionSetNode, type: GraphQLNamedType, outer: readonly SelectionNode[]): void {
    for (const selection of selections.selections) {
      const conditions = selection.directives?.length ? [...outer, selection] : outer;
      if (selection.kind === Kind.FIELD) {
        for (const object of this.objectsOf(type)) this.field(object.getFields()[selection.name.value], conditions);
        const field = 'getFields' in type ? (type as GraphQLObjectType).getFields()[selection.name.value] : undefined;
        if (field && selection.selectionSet) this.visit(selection.selectionSet, getNamedType(field.type), conditions);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition && this.schema.getType(selection.typeCondition.name.value);
        this.visit(selection.selectionSet, condition ?? type, conditions);
      } else {
        this.spread(selection.name.value, conditions);
      }
    }
  }

  private spread(name: string, conditions: readonly SelectionNode[]): void {
    const fragment = this.fragments.get(name);
    const type = fragment && this.schema.getType(fragment.typeCondition.name.value);
    // Under conditions the demands differ from spread to spread; without any, once is enough.
    const key = `${name} ${conditions.map((each) => each.loc?.start ?? '').join()}`;
    if (!fragment || !type || this.seen.has(key)) return;
    this.seen.add(key);
    this.visit(fragment.selectionSet, type, conditions);
  }

  private field(field: GraphQLField<unknown, unknown> | undefined, conditions: readonly SelectionNode[]): void {
    if (!field) return;
    this.timeout = Math.max(this.timeout, (field.extensions['timeout'] as number | undefined) ?? 0);
    for (const rule of accessOf(field)) {
      // Whether "or the user themselves" holds is known only with the object at hand; being signed in is needed anyway.
      this.demands.push({ rule: rule.orSelf === undefined ? rule : {}, conditions });
    }
  }

  private objectsOf(type: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isAbstractType(type)) return this.schema.getPossibleTypes(type);
    return isObjectType(type) && !isInterfaceType(type) ? [type] : [];
  }
}
