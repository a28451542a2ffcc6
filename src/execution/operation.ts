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
import { Run, type Variables } from './run';
import { Selections, type SchemaTraits } from './selection';
import type { OperationSource } from './source';
import { compileVariables, type CoerceVariables } from './variables';

/** Input of a run. */
export interface RunOptions {
  readonly root?: unknown;
  readonly context: unknown;
  /** Coerced. */
  readonly variables: Variables;
}

/** How many outcomes of its conditions an operation is kept compiled for. */
const maxOutcomes = 8;

/**
 * An operation, compiled for repeated execution with exactly the results of graphql-js: what depends on the document and the
 * schema alone is found out once, when it is first needed.
 */
export class CompiledOperation {
  /** Coerces the variables of a request. */
  readonly coerce: CoerceVariables;
  /** Names of the variables that @skip and @include depend on. */
  private readonly conditions: readonly string[];
  /** By the values of the conditions, the oldest first. */
  private readonly outcomes = new Map<string, Selections>();

  constructor(
    private readonly traits: SchemaTraits,
    readonly source: OperationSource,
    private readonly memory: Memory,
  ) {
    const { operation, schema } = source;
    this.coerce = compileVariables(schema, operation.variableDefinitions ?? []);
    this.conditions = conditionsOf(source);
  }

  /** Runs a query or a mutation; or completes an event of a subscription, which is then the root. Never throws. */
  execute({ root, context, variables }: RunOptions): ExecutionResult | Promise<ExecutionResult> {
    const run = new Run(this.source, root, context, variables);
    try {
      const selection = this.selections(variables).root();
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

  private selections(variables: Variables): Selections {
    let outcome = '';
    for (const name of this.conditions) outcome += conditionCode(variables, name);
    const known = this.outcomes.get(outcome);
    if (known) return known;
    const values = this.conditions.filter((name) => Object.hasOwn(variables, name));
    const selections = new Selections(
      this.traits,
      this.source,
      Object.fromEntries(values.map((name) => [name, variables[name]])),
      this.memory,
    );
    const [oldest] = this.outcomes.keys();
    if (oldest !== undefined && this.outcomes.size >= maxOutcomes) {
      this.outcomes.get(oldest)?.forget();
      this.outcomes.delete(oldest);
    }
    this.outcomes.set(outcome, selections);
    return selections;
  }
}

/** A boolean, null, or nothing: with the last two @skip and @include fail. */
function conditionCode(variables: Variables, name: string): string {
  if (!Object.hasOwn(variables, name)) return '-';
  const value = variables[name];
  if (value === null || value === undefined) return 'n';
  return value === true ? 't' : 'f';
}

const conditionals: readonly string[] = [GraphQLSkipDirective.name, GraphQLIncludeDirective.name];

function conditionsOf({ operation, fragments }: OperationSource): string[] {
  const names = new Set<string>();
  for (const definition of [operation, ...Object.values(fragments)]) {
    visit(definition, {
      Directive({ name, arguments: args = [] }) {
        if (!conditionals.includes(name.value)) return;
        for (const { value } of args) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
      },
    });
  }
  return [...names];
}

/**
 * The operations of a document, in its order.
 *
 * @param memory - Counts what is compiled of them, now and later.
 */
export function compileDocument(traits: SchemaTraits, document: DocumentNode, memory: Memory): CompiledOperation[] {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  return document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((operation) => new CompiledOperation(traits, { schema: traits.schema, operation, fragments }, memory));
}
