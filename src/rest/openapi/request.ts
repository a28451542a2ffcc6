import { getNamedType, isEnumType } from 'graphql';
import { writtenNames } from '../enum-case';
import { afterParameter, takesAfter } from '../last-event';
import type { RestOperation, RouteVariable } from '../rest-operation';
import type { SchemaComponents } from './components';
import { exampleOf } from './example';
import type { InputSchemas } from './input-schema';
import { described, withDescription, type JsonSchema } from './json-schema';
import type { ParameterObject, RequestBodyObject } from './objects';
import type { VariableUse } from './variable-uses';

/** Parameters that several routes take, as components. */
export const parameterComponents = {
  RequestTimeout: {
    name: 'X-Request-Timeout-Ms',
    in: 'header',
    required: false,
    description:
      'Milliseconds that the request may take; after that it is answered with 504. Anything but a number is 400.',
    schema: { type: 'integer', minimum: 0, maximum: 999_999_999 },
  },
  LastEventId: {
    name: 'Last-Event-ID',
    in: 'header',
    required: false,
    description:
      'The `id` of the last event that the client has of a stream. The stream goes on after it, where the gateway keeps streams (STREAM_REPLAY). EventSource sends it by itself.',
    schema: { type: 'string' },
  },
  After: {
    name: afterParameter,
    in: 'query',
    required: false,
    allowEmptyValue: true,
    description:
      'The same as Last-Event-ID, for clients that send no such header. 409 where the gateway keeps no streams.',
    schema: { type: 'string' },
  },
} as const;

export const requestTimeout = { $ref: '#/components/parameters/RequestTimeout' } as const;

export interface RequestContext {
  readonly inputs: InputSchemas;
  readonly components: SchemaComponents;
  readonly uses: ReadonlyMap<string, VariableUse>;
}

/** The parameters of an operation, and those of every operation. */
export function parametersOf(operation: RestOperation, context: RequestContext): ParameterObject[] {
  return [
    ...operation.pathVariables.map((variable) => parameterOf(variable, 'path', context)),
    ...operation.queryVariables.map((variable) => parameterOf(variable, 'query', context)),
    ...(operation.isStream ? [{ $ref: '#/components/parameters/LastEventId' }] : []),
    ...(takesAfter(operation) ? [{ $ref: '#/components/parameters/After' }] : []),
    requestTimeout,
  ];
}

function parameterOf(
  variable: RouteVariable,
  where: 'path' | 'query',
  { inputs, uses }: RequestContext,
): ParameterObject {
  const { name, type, enumCase } = variable;
  const required = where === 'path' || variable.required;
  const use = uses.get(name) ?? {};
  const { description, deprecated } = described(describedUse(use));
  const schema = { ...inputs.ofText(type, enumCase), ...valuesOf(variable, use) };
  // An empty value counts as none.
  const isText = required && schema.type === 'string' && !('enum' in schema) && !('pattern' in schema);
  return {
    name,
    in: where,
    required,
    ...(description ? { description } : {}),
    ...(deprecated && !required ? { deprecated } : {}),
    ...(required ? {} : { allowEmptyValue: true }),
    schema: isText ? { ...schema, minLength: 1 } : schema,
  };
}

/** The description of a variable, with its limit. */
function describedUse({ description, deprecationReason, maxItems }: VariableUse) {
  const limit = maxItems === undefined ? undefined : `At least 1; more than ${maxItems} count as ${maxItems}.`;
  return { description: [description, limit].filter(Boolean).join('\n\n'), deprecationReason };
}

/** The least and the default value of a variable. */
function valuesOf({ type, enumCase }: RouteVariable, { defaultValue, maxItems }: VariableUse): JsonSchema {
  const named = getNamedType(type);
  const names = isEnumType(named) ? writtenNames(named, enumCase) : undefined;
  const write = (value: unknown): unknown => (typeof value === 'string' ? (names?.get(value) ?? value) : value);
  const written = Array.isArray(defaultValue) ? defaultValue.map(write) : write(defaultValue);
  return {
    ...(maxItems === undefined ? {} : { minimum: 1 }),
    ...(written === undefined ? {} : { default: written }),
  };
}

/** The body of an operation; undefined where it has none. */
export function bodyOf(operation: RestOperation, context: RequestContext): RequestBodyObject | undefined {
  const { method, body } = operation;
  if (body === undefined) return undefined;
  const schema = bodySchema(operation, context);
  const example = exampleOf(schema, context);
  const types = ['application/json', ...(method === 'PATCH' ? ['application/merge-patch+json'] : [])];
  const patch = method === 'PATCH' ? ' What is left out stays as it is (RFC 7396).' : '';
  return {
    required: true,
    description: `A JSON object in UTF-8, of at most 1 MB.${patch}`,
    content: Object.fromEntries(types.map((type) => [type, { schema, example }])),
  };
}

function bodySchema({ body, bodyVariables }: RestOperation, { inputs, uses }: RequestContext): JsonSchema {
  const schemaOf = (variable: RouteVariable): JsonSchema => {
    const use = uses.get(variable.name) ?? {};
    return {
      ...withDescription(inputs.ofJson(variable.type, variable.enumCase), describedUse(use)),
      ...valuesOf(variable, use),
    };
  };
  const [variable] = bodyVariables;
  if (body !== '*') return variable ? inputs.ofBody(variable.type) : { type: 'object' };
  const required = bodyVariables.filter((each) => each.required).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(bodyVariables.map((each) => [each.name, schemaOf(each)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}
