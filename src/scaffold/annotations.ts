import type { Field, Method, ReflectionObject } from 'protobufjs';
import type { SdlDirective } from './sdl';

/** Every value of an option: some may be given several times. */
function optionValues(object: ReflectionObject, name: string): unknown[] {
  const parsed: readonly Readonly<Record<string, unknown>>[] = object.parsedOptions ?? [];
  return parsed.flatMap((option) => option[name] ?? []);
}

/**
 * True where google.api.field_behavior of a field lists the behavior.
 *
 * @see https://google.aip.dev/203
 */
export function hasBehavior(field: Field, behavior: 'REQUIRED' | 'OUTPUT_ONLY' | 'INPUT_ONLY'): boolean {
  return optionValues(field, '(google.api.field_behavior)').includes(behavior);
}

/** What google.api.http says of an RPC. */
export interface HttpRule {
  readonly verb: string;
  /** The field of the request that is the body; `*` for all that are not in the path. */
  readonly body: string | undefined;
  /** Fields that are in the path, as paths into the request: `name`, `book.name`. */
  readonly pathFields: readonly string[];
}

/** @see https://github.com/googleapis/googleapis/blob/master/google/api/http.proto */
export function httpRule(method: Method): HttpRule | undefined {
  const [rule] = optionValues(method, '(google.api.http)') as Readonly<Record<string, unknown>>[];
  const verb = ['get', 'put', 'post', 'delete', 'patch'].find((each) => typeof rule?.[each] === 'string');
  if (!rule || verb === undefined) return undefined;
  const path = String(rule[verb]);
  return {
    verb,
    body: typeof rule['body'] === 'string' ? rule['body'] : undefined,
    pathFields: [...path.matchAll(/\{([\w.]+)/g)].map((match) => match[1] ?? ''),
  };
}

/** The directive @deprecated, where the proto has the option. */
export function deprecation(object: ReflectionObject): SdlDirective[] {
  return object.getOption('deprecated') === true ? [{ name: 'deprecated', args: {} }] : [];
}
