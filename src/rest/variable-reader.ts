import {
  getNamedType,
  getNullableType,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLInt,
  isEnumType,
  isListType,
  type GraphQLEnumType,
  type GraphQLInputType,
} from 'graphql';
import { GatewayError, type FieldViolation } from '../errors';
import { readJson, type Exchange } from '../http/exchange';
import { readNames, writtenNames, type EnumCase } from './enum-case';
import { afterParameter, takesAfter } from './last-event';
import type { RestOperation, RouteVariable } from './rest-operation';

export type Variables = Record<string, unknown>;

/**
 * Reads the variables of a route's request.
 *
 * @throws GatewayError BAD_USER_INPUT for what is missing or cannot be read; what {@link readJson} throws
 */
export type VariableReader = (
  exchange: Exchange,
  params: Readonly<Record<string, string>>,
) => Variables | Promise<Variables>;

/** Compiled once per route, so that a request pays only for the variables that the route has. */
export function createVariableReader(operation: RestOperation): VariableReader {
  const { body, refusesUnknownQuery } = operation;
  const fromPath = operation.pathVariables.map(textReader);
  const fromQuery = operation.queryVariables.map(textReader);
  const fromBody = operation.bodyVariables.map(jsonReader);

  const names = new Set(operation.queryVariables.map(({ name }) => name));
  if (takesAfter(operation)) names.add(afterParameter);

  function refuseUnknown(given: URLSearchParams): void {
    const unknown = new Set([...given.keys()].filter((name) => !names.has(name)));
    if (unknown.size > 0) throw unknownNames('The query has unknown parameters', [...unknown]);
  }

  function readText(query: string, params: Readonly<Record<string, string>>): Variables {
    const variables: Variables = {};
    for (const reader of fromPath) fill(variables, reader, params[reader.variable.name], 'path');
    if (fromQuery.length === 0 && !refusesUnknownQuery) return variables;
    const given = new URLSearchParams(query);
    if (refusesUnknownQuery) refuseUnknown(given);
    for (const reader of fromQuery) {
      const { name } = reader.variable;
      const values = given.getAll(name);
      if (values.some(hasReplacement) && !isUtf8(query)) throw badParameter(name, 'is not UTF-8');
      fill(variables, reader, values.length > 1 ? values : values[0], 'query');
    }
    return variables;
  }

  if (body === undefined) return ({ query }, params) => readText(query, params);
  const addBody = body === '*' ? fieldsReader(fromBody) : wholeReader(body);
  return async (exchange, params) => {
    const variables = readText(exchange.query, params);
    const value = await readJson(exchange);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new GatewayError('BAD_USER_INPUT', 'The body must be a JSON object.');
    }
    addBody(variables, value as Variables);
    return variables;
  };
}

/** URLSearchParams puts U+FFFD in place of what is not UTF-8. A client may also have meant one. */
const hasReplacement = (text: string): boolean => text.includes('\ufffd');

/** Whether the bytes that are percent-encoded are UTF-8. A percent sign with anything else behind it stands for itself. */
function isUtf8(query: string): boolean {
  try {
    decodeURIComponent(query.replace(/%(?![\da-f]{2})/gi, '%25'));
    return true;
  } catch {
    return false;
  }
}

/** The text of a parameter; a list of them where the query has it several times. */
type Text = string | readonly string[];

/** Fills a variable from text. */
interface TextReader {
  readonly variable: RouteVariable;
  readonly read: (text: Text) => unknown;
}

function textReader(variable: RouteVariable): TextReader {
  return { variable, read: compileText(variable, variable.type) };
}

function fill(into: Variables, { variable, read }: TextReader, text: Text | undefined, where: 'path' | 'query'): void {
  if (text === undefined || text === '') {
    if (variable.required) throw badParameter(variable.name, `is required in the ${where}`);
    return;
  }
  into[variable.name] = read(text);
}

/** Compiles how text becomes a value of a type. */
function compileText(variable: RouteVariable, type: GraphQLInputType): (text: Text) => unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const item = compileText(variable, nullable.ofType);
    return (text) => (typeof text === 'string' ? [item(text)] : text.map((each) => item(each)));
  }
  const parse = compileScalar(variable, nullable);
  return (text) => {
    if (typeof text !== 'string') throw badParameter(variable.name, 'is there more than once');
    return parse(text);
  };
}

const numberPattern = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

function compileScalar({ name, enumCase }: RouteVariable, type: GraphQLInputType): (text: string) => unknown {
  if (type === GraphQLInt || type === GraphQLFloat) {
    const isInt = type === GraphQLInt;
    return (text) => {
      const number = numberPattern.test(text) ? Number(text) : Number.NaN;
      const fits = isInt ? number === (number | 0) : Number.isFinite(number);
      if (!fits) throw badParameter(name, isInt ? 'must be a whole number' : 'must be a number');
      return number;
    };
  }
  if (type === GraphQLBoolean) {
    return (text) => {
      if (text !== 'true' && text !== 'false') throw badParameter(name, 'must be true or false');
      return text === 'true';
    };
  }
  return isEnumType(type) ? enumReader(name, type, enumCase) : (text) => text;
}

/** Reads a value of an enum as the route writes it, or as GraphQL does. */
function enumReader(field: string, type: GraphQLEnumType, enumCase: EnumCase | undefined): (text: string) => string {
  const names = readNames(type, enumCase);
  const written = [...new Set(writtenNames(type, enumCase).values())].join(', ');
  return (text) => {
    const value = names.get(text);
    if (value === undefined) throw badParameter(field, `must be one of ${written}`);
    return value;
  };
}

/** Fills a variable from a field of a JSON body. */
interface JsonReader {
  readonly name: string;
  readonly read: (value: unknown) => unknown;
}

function jsonReader({ name, type, enumCase }: RouteVariable): JsonReader {
  const named = getNamedType(type);
  if (!enumCase || !isEnumType(named)) return { name, read: (value) => value };
  const read = enumReader(name, named, enumCase);
  const item = (value: unknown): unknown => (typeof value === 'string' ? read(value) : value);
  return { name, read: (value) => (Array.isArray(value) ? value.map(item) : item(value)) };
}

type BodyReader = (into: Variables, body: Readonly<Variables>) => void;

/** The body is one variable. */
function wholeReader(name: string): BodyReader {
  return (into, body) => {
    into[name] = body;
  };
}

/** Each field of the body is a variable. */
function fieldsReader(readers: readonly JsonReader[]): BodyReader {
  const known = new Map(readers.map((reader) => [reader.name, reader]));
  return (into, body) => {
    const unknown: string[] = [];
    for (const name of Object.keys(body)) {
      const reader = known.get(name);
      if (reader) into[name] = reader.read(body[name]);
      else unknown.push(name);
    }
    if (unknown.length > 0) throw unknownNames('The body has unknown fields', unknown);
  };
}

function unknownNames(what: string, names: readonly string[]): GatewayError {
  // The size of the answer must not depend on the size of the request.
  const named = names.slice(0, 10).map((name) => name.slice(0, 100));
  return new GatewayError('BAD_USER_INPUT', `${what}: ${named.join(', ')}.`, {
    fieldViolations: named.map((field): FieldViolation => ({ field, description: 'is not known' })),
  });
}

function badParameter(field: string, description: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
