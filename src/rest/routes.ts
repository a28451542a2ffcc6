import {
  getNamedType,
  getNullableType,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLInt,
  isEnumType,
  isListType,
  type ExecutionResult,
  type GraphQLInputType,
} from 'graphql';
import { json, readJson, type Exchange, type Reply, type Route } from '../exchange';
import { GatewayError, type FieldViolation } from '../errors';
import { errorsOf } from '../pipeline/errors';
import type { Pipeline } from '../pipeline/pipeline';
import { fromPascalCase, shaped, type RestOperation, type RouteVariable } from './operations';

type Variables = Record<string, unknown>;

/** Mounts operations as REST routes. They run through the same pipeline as GraphQL. */
export function createRestRoutes(operations: readonly RestOperation[], pipeline: Pipeline): Route[] {
  return operations.flatMap((operation) =>
    operation.paths.map((path) => ({
      method: operation.method,
      path,
      handle: (exchange: Exchange, params: Readonly<Record<string, string>>) =>
        answer(operation, pipeline, exchange, params),
    })),
  );
}

async function answer(
  operation: RestOperation,
  pipeline: Pipeline,
  exchange: Exchange,
  params: Readonly<Record<string, string>>,
): Promise<Reply> {
  const variables = {
    ...fromText(operation.pathVariables, params, 'path'),
    ...fromText(operation.queryVariables, Object.fromEntries(lists(exchange.query)), 'query'),
    ...(operation.body === undefined ? {} : await fromBody(operation, exchange)),
  };
  const result = (await pipeline.run({ query: operation.query, variables }, exchange, {
    navigation: operation.method === 'GET',
    safe: operation.method === 'GET',
    streams: false,
  })) as ExecutionResult;
  const value = result.data?.[operation.rootKey];
  const errors = errorsOf(result);
  const [error] = errors;
  // One value is the whole answer: where a part of it failed, it all did.
  if (error) throw gravest(errors) ?? error;
  if (value === undefined || value === null) throw new GatewayError('NOT_FOUND');
  return json(operation.status, shaped(value, operation.shape));
}

function gravest(errors: readonly GatewayError[]): GatewayError | undefined {
  return [...errors].sort((a, b) => b.status - a.status)[0];
}

/** Every value of each query parameter. Repeated ones are a list. */
function lists(query: string): Map<string, string | string[]> {
  const values = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    const known = values.get(name);
    values.set(name, known === undefined ? value : [known, value].flat());
  }
  return values;
}

/** Variables from path or query parameters. Parameters that the operation does not know are ignored. */
function fromText(
  variables: readonly RouteVariable[],
  values: Readonly<Record<string, string | string[]>>,
  where: 'path' | 'query',
): Variables {
  const result: Variables = {};
  for (const variable of variables) {
    const value = Object.hasOwn(values, variable.name) ? values[variable.name] : undefined;
    if (value === undefined || value === '') {
      if (variable.required) throw badParameter(variable.name, `is required in the ${where}`);
      continue;
    }
    result[variable.name] = coerce(variable, variable.type, value);
  }
  return result;
}

function coerce(variable: RouteVariable, type: GraphQLInputType, value: string | string[]): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    return [value].flat().map((item) => coerce(variable, nullable.ofType, item));
  }
  if (typeof value !== 'string') throw badParameter(variable.name, 'is there more than once');
  if (nullable === GraphQLInt || nullable === GraphQLFloat) {
    const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) ? Number(value) : Number.NaN;
    const fits = nullable === GraphQLFloat ? Number.isFinite(number) : number === (number | 0);
    if (!fits) {
      throw badParameter(variable.name, nullable === GraphQLInt ? 'must be a whole number' : 'must be a number');
    }
    return number;
  }
  if (nullable === GraphQLBoolean) {
    if (value !== 'true' && value !== 'false') throw badParameter(variable.name, 'must be true or false');
    return value === 'true';
  }
  if (isEnumType(nullable)) {
    const name = variable.pascalCase ? fromPascalCase(nullable, value) : nullable.getValue(value)?.name;
    if (name === undefined) {
      throw badParameter(
        variable.name,
        `must be one of ${nullable
          .getValues()
          .map((each) => each.name)
          .join(', ')}`,
      );
    }
    return name;
  }
  return value;
}

async function fromBody({ body, bodyVariables }: RestOperation, exchange: Exchange): Promise<Variables> {
  const value = await readJson(exchange);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError('BAD_USER_INPUT', 'The body must be a JSON object.');
  }
  if (body !== '*') return { [body ?? '']: value };
  const unknown = Object.keys(value).filter((name) => !bodyVariables.some((variable) => variable.name === name));
  if (unknown.length > 0) {
    // The answer must not grow with what a stranger sends.
    const named = unknown.slice(0, 10).map((name) => name.slice(0, 100));
    throw new GatewayError('BAD_USER_INPUT', `The body has unknown fields: ${named.join(', ')}.`, {
      fieldViolations: named.map((field): FieldViolation => ({ field, description: 'is not known' })),
    });
  }
  return Object.fromEntries(
    bodyVariables
      .filter(({ name }) => Object.hasOwn(value, name))
      .map((variable) => [variable.name, fromJson(variable, (value as Variables)[variable.name])]),
  );
}

/** A value of a JSON body; enum values may be written in PascalCase where the route has them so. */
function fromJson({ type, pascalCase }: RouteVariable, value: unknown): unknown {
  const named = getNamedType(type);
  if (!pascalCase || !isEnumType(named)) return value;
  const name = (text: unknown): unknown => (typeof text === 'string' ? (fromPascalCase(named, text) ?? text) : text);
  return Array.isArray(value) ? value.map(name) : name(value);
}

function badParameter(field: string, description: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
