import { Findings } from '../diagnostics/findings';
import { compileOperations } from '../rest/compile-operations';
import type { RestOperation } from '../rest/rest-operation';
import { compileSchema, type CompiledSchema, type SchemaOptions } from '../schema/compile/compile-schema';
import type { Sources } from '../schema/sources';
import { ownPaths } from './built-ins';
import { checkSignIn } from './check-sign-in';

/** What the gateway serves: SDL, protos and REST operations that fit each other. */
export interface Contract extends CompiledSchema {
  readonly operations: readonly RestOperation[];
}

export type ContractOptions = Omit<SchemaOptions, 'sources'>;

/**
 * Compiles SDL, protos and REST operations together, checking each against the others. Both the start of the gateway and
 * `npm run check` come here.
 *
 * @throws SchemaError listing everything that does not fit
 */
export function loadContract(sources: Sources, options: ContractOptions): Contract {
  const findings = new Findings();
  const contract = compileContract(sources, options, findings);
  findings.throwIfAny();
  return contract;
}

/**
 * As {@link loadContract}, but what does not fit goes to the findings.
 *
 * @throws SchemaError with all findings so far, where no schema can be made of the SDL
 */
export function compileContract(sources: Sources, options: ContractOptions, findings: Findings): Contract {
  checkSignIn(sources, findings);
  const compiled = compileSchema({ ...options, sources }, findings);
  return { ...compiled, operations: compileOperations(compiled.schema, sources.rest, findings, ownPaths) };
}
