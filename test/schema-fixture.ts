import { Findings } from '../src/diagnostics/findings';
import { compileSchema, type CompiledSchema, type SchemaOptions } from '../src/schema/compile/compile-schema';

/** Compiles a schema that is right. */
export function loadSchema(options: SchemaOptions): CompiledSchema {
  const findings = new Findings();
  const compiled = compileSchema(options, findings);
  findings.throwIfAny();
  return compiled;
}
