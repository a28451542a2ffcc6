import {
  getDirectiveValues,
  getNamedType,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  isInterfaceType,
  isObjectType,
  Kind,
  type FieldNode,
  type GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { GatewayError } from '../errors';
import type { CompiledOperation } from '../execution/compiled-operation';
import { locate } from '../execution/field-error';
import type { Memory } from '../execution/memory';
import type { OperationSource } from '../execution/operation-source';
import type { Variables } from '../execution/run';
import { accessOf, denial, type AccessRule } from '../schema/access';
import { rateLimitOf, type FieldRateLimit } from '../schema/rate-limit';
import type { ResolverContext } from '../schema/resolver-context';
import { objectTypesOf } from '../schema/object-types';
import { compileCost, maxSelectedFields, type OperationCost } from './operation-cost';
import { countSelections } from './selection-counts';

/**
 * What can be decided about an operation by its document. Whatever else is to hold of operations as they are written is worked out
 * here as well, and asked for per request. Worked out when the operation first runs: a document may have many that never do.
 */
export class OperationPlan {
  private lazyTraits: OperationTraits | undefined;
  /** By what @skip and @include leave of the operation. */
  private readonly costs = new WeakMap<object, OperationCost>();
  private readonly limited = new WeakMap<object, readonly LimitedField[]>();
  private readonly policiesBy = new WeakMap<object, readonly string[]>();

  /** @param memory - Of the document: counts what is worked out here. */
  constructor(
    readonly compiled: CompiledOperation,
    private readonly memory: Memory,
  ) {}

  get operation(): OperationDefinitionNode {
    return this.compiled.source.operation;
  }

  private get traits(): OperationTraits {
    return (this.lazyTraits ??= this.workOut());
  }

  private workOut(): OperationTraits {
    const traits = traitsOf(this.compiled.source);
    this.memory.bytes += traits.roots.size * rootSize + (traits.rules.length + traits.rateLimits.length) * itemSize;
    return traits;
  }

  /** False where every field is public: AuthService is then not asked. */
  get needsSession(): boolean {
    return this.traits.rules.length > 0;
  }

  /**
   * The errors of a caller to whom every root field is closed, whatever the variables are; undefined where some of it may be had.
   */
  closedTo(caller: ResolverContext['caller']): readonly GraphQLError[] | undefined {
    const { isClosed, roots } = this.traits;
    if (!isClosed || !(caller instanceof GatewayError)) return undefined;
    return [...roots].map(([key, { node }]) => locate(caller, [node], [key]));
  }

  /** Names of its root fields in the schema, each once, separated by spaces. */
  get rootFields(): string {
    return this.traits.rootFields;
  }

  /** The longest that any of its RPCs may take, in ms. */
  get timeout(): number {
    return this.traits.timeout;
  }

  /** Rules of its fields, as far as they do not depend on an object. */
  get rules(): readonly AccessRule[] {
    return this.traits.rules;
  }

  /** The limits of its fields, each once, whatever its conditions. */
  get rateLimits(): readonly FieldRateLimit[] {
    return this.traits.rateLimits;
  }

  /** Whether two of its calls may be equal. */
  get mergesCalls(): boolean {
    return this.traits.mergesCalls;
  }

  /** Whether something has to be asked about the operation before it runs. */
  get isCheckedFirst(): boolean {
    return this.traits.isCheckedFirst;
  }

  /**
   * The fields with a limit that the operation asks for, and how often.
   *
   * @param variables - Coerced.
   */
  limitedFields(variables: Variables): readonly LimitedField[] {
    const outcome = this.compiled.outcome(variables);
    let limited = this.limited.get(outcome);
    if (!limited) {
      limited = limitedFieldsOf(this.compiled.source, outcome.conditions);
      this.limited.set(outcome, limited);
      outcome.takes(entrySize + limited.length * itemSize);
    }
    return limited;
  }

  /** Whether the caller may not have a field, as far as that does not depend on its object. */
  isDenied(field: GraphQLField<unknown, unknown>, { caller, policyAnswers }: AccessContext): boolean {
    return accessOf(field).some((rule) => denial(independent(rule), caller, policyAnswers) !== undefined);
  }

  /**
   * The permissions that policies of the fields name that the operation asks for.
   *
   * @param variables - Coerced.
   */
  policies(variables: Variables): readonly string[] {
    if (!this.traits.hasPolicies) return none;
    const outcome = this.compiled.outcome(variables);
    let policies = this.policiesBy.get(outcome);
    if (!policies) {
      policies = policiesOf(fieldsOf(this.compiled.source, outcome.conditions).flatMap(accessOf));
      this.policiesBy.set(outcome, policies);
      outcome.takes(entrySize + policies.length * itemSize);
    }
    return policies;
  }

  /** @param variables - Coerced. */
  costOf(variables: Variables): number {
    const outcome = this.compiled.outcome(variables);
    let cost = this.costs.get(outcome);
    if (!cost) {
      cost = compileCost(this.compiled.source, outcome.conditions);
      this.costs.set(outcome, cost);
      outcome.takes(cost.bytes);
    }
    return cost.of(variables);
  }
}

const none: readonly string[] = [];

/** Bytes, measured and rounded up: of what is kept for an outcome, of each item of it, and of what is known of a root field. */
const entrySize = 200;
const itemSize = 100;
const rootSize = 150;

function policiesOf(rules: readonly AccessRule[]): readonly string[] {
  return [...new Set(rules.flatMap((rule) => rule.policies?.flat() ?? none))];
}

/** A field with a limit, and how often an operation asks for it. */
export interface LimitedField {
  readonly field: GraphQLField<unknown, unknown>;
  readonly times: number;
}

interface OperationTraits extends Pick<
  OperationPlan,
  'rootFields' | 'timeout' | 'rules' | 'rateLimits' | 'mergesCalls' | 'isCheckedFirst'
> {
  readonly hasPolicies: boolean;
  /** True where every root field needs a session. */
  readonly isClosed: boolean;
  readonly roots: ReadonlyMap<string, RootField>;
}

interface RootField {
  readonly node: FieldNode;
  /** Undefined for those of introspection. */
  readonly field: GraphQLField<unknown, unknown> | undefined;
}

/** An operation that selects more than can be counted asks for each of its limited fields as often as that. */
function limitedFieldsOf(source: OperationSource, conditions: Variables): LimitedField[] {
  const counts = countSelections(source, conditions, (field) => rateLimitOf(field) !== undefined);
  if (counts) return [...counts].map(([field, times]) => ({ field, times }));
  const fields = new Set(fieldsOf(source, conditions).filter((field) => rateLimitOf(field)));
  return [...fields].map((field) => ({ field, times: maxSelectedFields }));
}

function traitsOf(source: OperationSource): OperationTraits {
  const rules = new Set<AccessRule>();
  let timeout = 0;
  let calls = 0;
  const rateLimits = new Set<FieldRateLimit>();
  for (const field of fieldsOf(source, undefined)) {
    const ownTimeout = field.extensions['timeout'] as number | undefined;
    if (ownTimeout !== undefined) {
      calls += 1;
      timeout = Math.max(timeout, ownTimeout);
    }
    for (const rule of accessOf(field)) rules.add(independent(rule));
    const rateLimit = rateLimitOf(field);
    if (rateLimit) rateLimits.add(rateLimit);
  }
  const hasPolicies = policiesOf([...rules]).length > 0;
  const roots = rootFieldsOf(source);
  const fields = [...roots.values()].map(({ field }) => field);
  return {
    isClosed: fields.every((field) => field !== undefined && accessOf(field).length > 0),
    roots,
    rootFields: [...new Set([...roots.values()].map(({ node }) => node.name.value))].join(' '),
    timeout,
    rules: [...rules],
    rateLimits: [...rateLimits],
    isCheckedFirst: rateLimits.size > 0 || hasPolicies,
    hasPolicies,
    // One call that is made once is equal to no other.
    mergesCalls: calls > 1 || (calls === 1 && !fields.some((field) => field?.extensions['timeout'] !== undefined)),
  };
}

/** The root fields of an operation by response name, whatever its conditions. */
function rootFieldsOf({ schema, operation, fragments }: OperationSource): ReadonlyMap<string, RootField> {
  const fields = schema.getRootType(operation.operation)?.getFields() ?? {};
  const found = new Map<string, RootField>();
  const seen = new Set<string>();
  const visit = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const { name, alias } = selection;
        found.set((alias ?? name).value, { node: selection, field: fields[name.value] });
      } else if (selection.kind === Kind.INLINE_FRAGMENT) visit(selection.selectionSet);
      else if (!seen.has(selection.name.value)) {
        seen.add(selection.name.value);
        const fragment = fragments[selection.name.value];
        if (fragment) visit(fragment.selectionSet);
      }
    }
  };
  visit(operation.selectionSet);
  return found;
}

const signedIn: AccessRule = {};

/** Whether "or the user themselves" holds is known only with the object at hand; being signed in is needed anyway. */
function independent(rule: AccessRule): AccessRule {
  return rule.orSelf === undefined ? rule : signedIn;
}

/** Who asks, and what was answered to policies. */
type AccessContext = Pick<ResolverContext, 'caller' | 'policyAnswers'>;

/**
 * The rules of an operation's fields that hold for its caller, as far as they do not depend on an object.
 *
 * @param variables - Coerced.
 */
export function rulesThatHold(
  { compiled }: OperationPlan,
  { caller, policyAnswers }: AccessContext,
  variables: Variables,
): readonly AccessRule[] {
  const rules = new Set(fieldsOf(compiled.source, variables).flatMap((field) => accessOf(field).map(independent)));
  return [...rules].filter((rule) => !denial(rule, caller, policyAnswers));
}

/**
 * The reason to refuse an operation whole, before anything of it runs; undefined where the caller may have all of it.
 * For mutations: of a query, each field is refused on its own.
 */
export function refusalOf(
  plan: OperationPlan,
  { caller, policyAnswers }: AccessContext,
  variables: Variables,
): GatewayError | undefined {
  // Nearly always nothing is refused, and then conditions do not matter.
  if (!plan.rules.some((rule) => denial(rule, caller, policyAnswers))) return undefined;
  for (const field of fieldsOf(plan.compiled.source, variables)) {
    for (const rule of accessOf(field)) {
      const denied = denial(independent(rule), caller, policyAnswers);
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

/**
 * Every field that an operation selects, of each object type that it may be selected from.
 *
 * @param variables - With them, what @skip and @include leave out is left out; without, nothing is.
 */
function fieldsOf(
  { schema, operation, fragments }: OperationSource,
  variables: Variables | undefined,
): readonly GraphQLField<unknown, unknown>[] {
  const found: GraphQLField<unknown, unknown>[] = [];
  /** Names of the fragments that were walked: each is once, however often it is spread, so the work stays within the text. */
  const seen = new Set<string>();

  function visit(selections: SelectionSetNode, type: GraphQLNamedType): void {
    for (const selection of selections.selections) {
      if (variables && !isIncluded(selection, variables)) continue;
      if (selection.kind === Kind.FIELD) visitField(selection, type);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
        visit(selection.selectionSet, condition ?? type);
      } else visitSpread(selection.name.value);
    }
  }

  function visitField({ name, selectionSet }: FieldNode, type: GraphQLNamedType): void {
    for (const object of objectTypesOf(schema, type)) {
      const field = object.getFields()[name.value];
      if (field) found.push(field);
    }
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
    if (field && selectionSet) visit(selectionSet, getNamedType(field.type));
  }

  function visitSpread(name: string): void {
    const fragment = fragments[name];
    const type = fragment && schema.getType(fragment.typeCondition.name.value);
    if (!type || seen.has(name)) return;
    seen.add(name);
    visit(fragment.selectionSet, type);
  }

  const root = schema.getRootType(operation.operation);
  if (root) visit(operation.selectionSet, root);
  return found;
}
