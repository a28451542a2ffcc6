import {
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  Kind,
  visit,
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
} from 'graphql';
import type { Memory } from './memory';
import type { OperationSource } from './operation-source';
import { Run, unlimited, type ResultLimit, type Variables } from './run';
import { Selections, type SchemaTraits } from './selection';
import { VariableDefinitions, type CoercedVariables } from './variable-definitions';

interface RunInput {
  readonly root?: unknown;
  readonly context: unknown;
  /** Coerced. */
  readonly variables: Variables;
  /** How large the result may become; any size where it is left out. */
  readonly limit?: ResultLimit;
}

/** How many outcomes of its conditions an operation is kept compiled for. */
const maxOutcomes = 8;

/**
 * An operation, compiled for repeated execution with exactly the results of graphql-js: what depends on the document and the
 * schema alone is found out once, when it is first needed.
 */
export class CompiledOperation {
  private readonly variables: VariableDefinitions;
  /** Names of the variables that @skip and @include depend on. */
  private lazyConditions: readonly string[] | undefined;
  /** Where there are no conditions. */
  private only: Selections | undefined;
  /** By the values of the conditions, the oldest first. */
  private outcomes: Map<string, Selections> | undefined;

  constructor(
    private readonly traits: SchemaTraits,
    readonly source: OperationSource,
    private readonly memory: Memory,
  ) {
    const { operation, schema } = source;
    this.variables = new VariableDefinitions(schema, operation.variableDefinitions ?? []);
  }

  private get conditions(): readonly string[] {
    return (this.lazyConditions ??= conditionsOf(this.source));
  }

  /** Coerces the variables of a request. */
  coerce(inputs: Readonly<Record<string, unknown>> | null | undefined): CoercedVariables {
    return this.variables.coerce(inputs);
  }

  /** Runs a query or a mutation; or completes an event of a subscription, which is then the root. Never throws. */
  execute({ root, context, variables, limit = unlimited }: RunInput): ExecutionResult | Promise<ExecutionResult> {
    const run = new Run(this.source, root, context, variables, limit);
    try {
      const selection = this.outcome(variables).root();
      const isMutation = this.source.operation.operation === 'mutation';
      const data = isMutation ? selection.executeSerially(run, root) : selection.execute(run, root, undefined);
      if (!(data instanceof Promise)) return run.finish(data);
      return data.then(
        (whole) => run.finish(whole),
        (error: unknown) => run.failWhole(error),
      );
    } catch (error) {
      return run.failWhole(error);
    }
  }

  /** The selections for these variables. Variables that @skip and @include treat alike get the same object. */
  outcome(variables: Variables): Selections {
    if (this.conditions.length === 0) {
      return (this.only ??= new Selections(this.traits, this.source, noVariables, this.memory));
    }
    this.outcomes ??= new Map();
    let outcome = '';
    for (const name of this.conditions) outcome += conditionCode(variables, name);
    const known = this.outcomes.get(outcome);
    if (known) return known;
    const given = this.conditions.filter((name) => Object.hasOwn(variables, name));
    const conditions = Object.fromEntries(given.map((name) => [name, variables[name]]));
    const selections = new Selections(this.traits, this.source, conditions, this.memory);
    const [oldest] = this.outcomes.keys();
    if (oldest !== undefined && this.outcomes.size >= maxOutcomes) {
      this.outcomes.get(oldest)?.forget();
      this.outcomes.delete(oldest);
    }
    this.outcomes.set(outcome, selections);
    return selections;
  }
}

const noVariables: Variables = {};

/** A boolean, null, or nothing: with the last two @skip and @include fail. */
function conditionCode(variables: Variables, name: string): string {
  if (!Object.hasOwn(variables, name)) return '-';
  const value = variables[name];
  if (value === null || value === undefined) return 'n';
  return value === true ? 't' : 'f';
}

const conditionals: readonly string[] = [GraphQLSkipDirective.name, GraphQLIncludeDirective.name];

const noConditions: readonly string[] = [];

function conditionsOf({ operation, fragments }: OperationSource): readonly string[] {
  const names = new Set<string>();
  for (const definition of [operation, ...Object.values(fragments)]) {
    visit(definition, {
      Directive({ name, arguments: args = [] }) {
        if (!conditionals.includes(name.value)) return;
        for (const { value } of args) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
      },
    });
  }
  return names.size === 0 ? noConditions : [...names];
}

/**
 * The operations of a document, in its order.
 *
 * @param memory - Counts what is compiled of them, now and later.
 */
export function compileDocument(traits: SchemaTraits, document: DocumentNode, memory: Memory): CompiledOperation[] {
  const fragments = fragmentsOf(document);
  return document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((operation) => new CompiledOperation(traits, { schema: traits.schema, operation, fragments }, memory));
}

const noFragments = Object.freeze(Object.create(null)) as Readonly<Record<string, FragmentDefinitionNode>>;

/** The fragments of a document, by name. */
export function fragmentsOf({ definitions }: DocumentNode): OperationSource['fragments'] {
  const found = definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  if (found.length === 0) return noFragments;
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const fragment of found) fragments[fragment.name.value] = fragment;
  return fragments;
}
