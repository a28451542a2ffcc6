import { parse, Kind, type FieldNode, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import { compileDocument } from '../../execution/compiled-operation';
import { Memory } from '../../execution/memory';
import { SchemaTraits } from '../../execution/selection';
import { OperationPlan } from '../../pipeline/operation-plan';
import type { RestOperation, RouteVariable } from '../rest-operation';
import { AnswerSchemas } from './answer-schema';
import { InputSchemas, withoutNull, type JsonSchema } from './json-schema';
import { streamContent } from './stream-content';

export interface OpenApiOptions {
  /** As the gateway serves it: fields know who may ask for them. */
  readonly schema: GraphQLSchema;
  readonly operations: readonly RestOperation[];
  /** Of the gateway. */
  readonly version: string;
}

/** A document of OpenAPI 3.1. */
export type OpenApiDocument = Readonly<Record<string, unknown>>;

/**
 * Describes the REST routes.
 *
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function createOpenApi({ schema, operations, version }: OpenApiOptions): OpenApiDocument {
  const inputs = new InputSchemas();
  const traits = new SchemaTraits(schema);
  const paths: Record<string, Record<string, Described>> = {};
  for (const operation of operations) {
    const described = describe(schema, traits, operation, inputs);
    for (const [index, path] of operation.paths.entries()) {
      const at = (paths[path] ??= {});
      const method = operation.method.toLowerCase();
      const known = at[method];
      const operationId = operationIdOf(operation, operations, index);
      // Accept says which of the two is meant.
      at[method] = known ? merged(known, described) : { operationId, ...described };
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'api-gateway', version },
    paths,
    components: {
      schemas: { ...inputs.components, Error: errorSchema },
      responses: { Error: errorResponse },
      securitySchemes,
    },
  };
}

/** Or a reference to one. */
interface ResponseObject {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, object>>;
}

interface Described {
  readonly operationId?: string;
  readonly description?: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, ResponseObject>>;
  readonly security?: readonly object[];
}

/** Unique in a document: the operation's name, with what tells apart the places where it is mounted. */
function operationIdOf({ name, method }: RestOperation, operations: readonly RestOperation[], index: number): string {
  const hasSeveral = operations.filter((each) => each.name === name).length > 1;
  return `${name}${hasSeveral ? `_${method.toLowerCase()}` : ''}${index === 0 ? '' : `_${index + 1}`}`;
}

/** A whole answer and a stream of one path. */
function merged(one: Described, other: Described): Described {
  const responses: Record<string, ResponseObject> = { ...one.responses };
  for (const [status, response] of Object.entries(other.responses)) {
    const known = responses[status];
    const content = { ...known?.content, ...response.content };
    responses[status] = { ...response, ...known, ...(response.content ? { content } : {}) };
  }
  return { ...one, responses };
}

function describe(
  schema: GraphQLSchema,
  traits: SchemaTraits,
  operation: RestOperation,
  inputs: InputSchemas,
): Described {
  const document = parse(operation.query);
  const node = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;
  const root = node.selectionSet.selections[0] as FieldNode;
  const field = schema.getRootType(node.operation)?.getFields()[root.name.value];
  if (!field) throw new Error(`the schema has no field ${root.name.value}`);
  const [compiled] = compileDocument(traits, document, new Memory());
  const { rules, needsSession } = new OperationPlan(compiled!, new Memory());
  const answers = new AnswerSchemas(schema, document);
  const answer = answers.ofField(field.type, [root], operation.shape);
  const scopes = rules.flatMap((rule) => (rule.scopes ?? []).map((all) => all.join(' and ')));
  const description = [
    field.description ?? '',
    scopes.length === 0 ? '' : `Needs the permission ${[...new Set(scopes)].join(' or ')}.`,
  ].filter((text) => text !== '');
  const parameters = [
    ...operation.pathVariables.map((variable) => parameterOf(variable, 'path', inputs)),
    ...operation.queryVariables.map((variable) => parameterOf(variable, 'query', inputs)),
  ];
  const body = bodyOf(operation, inputs);
  return {
    ...(description.length === 0 ? {} : { description: description.join('\n\n') }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body ? { requestBody: body } : {}),
    responses: responsesOf(operation, answer, answers.headers, needsSession),
    security: needsSession ? securityOf(operation) : [],
  };
}

function parameterOf(
  { name, type, required, enumCase }: RouteVariable,
  where: 'path' | 'query',
  inputs: InputSchemas,
): object {
  return { name, in: where, required: where === 'path' || required, schema: inputs.ofText(type, enumCase) };
}

function bodyOf({ method, body, bodyVariables }: RestOperation, inputs: InputSchemas): object | undefined {
  if (body === undefined) return undefined;
  const required = bodyVariables.filter((variable) => variable.required).map(({ name }) => name);
  const [variable] = bodyVariables;
  const schema: JsonSchema =
    body === '*'
      ? {
          type: 'object',
          properties: Object.fromEntries(
            bodyVariables.map(({ name, type, enumCase }) => [name, inputs.ofJson(type, enumCase)]),
          ),
          ...(required.length === 0 ? {} : { required }),
          additionalProperties: false,
        }
      : variable
        ? inputs.ofJson(variable.type, variable.enumCase)
        : { type: 'object' };
  const types = ['application/json', ...(method === 'PATCH' ? ['application/merge-patch+json'] : [])];
  return { required: true, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}

function responsesOf(
  operation: RestOperation,
  answer: JsonSchema,
  fromFields: Readonly<Record<string, JsonSchema>>,
  needsSession: boolean,
): Record<string, ResponseObject> {
  const { status, isStream, body } = operation;
  const headers = {
    'x-request-id': {
      description: 'Names the request in logs and errors.',
      required: true,
      schema: { type: 'string' },
    },
    ...Object.fromEntries(Object.entries(fromFields).map(([name, schema]) => [name, { schema }])),
  };
  const success = isStream
    ? { description: 'A stream of events.', headers, content: streamContent(operation, answer, errorReference) }
    : {
        description: 'Success.',
        headers,
        // In place of null the answer is 404.
        ...(status === 204 ? {} : { content: { 'application/json': { schema: withoutNull(answer) } } }),
      };
  // All that there are. With "default" in their place, generated types could not tell an error from success by its status.
  const session = needsSession ? [401, 403] : [];
  const errors = [400, ...session, 404, 406, 408, 409, ...(body ? [413, 415] : []), 429, 431, 500, 501, 502, 503, 504];
  return {
    [isStream ? 200 : status]: success,
    ...Object.fromEntries(errors.map((code) => [code, { $ref: '#/components/responses/Error' }])),
  };
}

/** A page that sends its cookie must say that it is no other site. Browsers may say it by themselves. */
function securityOf({ method }: RestOperation): object[] {
  if (method === 'GET') return [{ bearer: [] }, { cookie: [] }];
  return [{ bearer: [] }, { cookie: [], csrf: [] }, { cookie: [], sameOrigin: [] }];
}

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer' },
  cookie: { type: 'apiKey', in: 'cookie', name: '__Host-session', description: 'Set by signing in.' },
  csrf: { type: 'apiKey', in: 'header', name: 'X-CSRF', description: '1, with the cookie.' },
  sameOrigin: {
    type: 'apiKey',
    in: 'header',
    name: 'Sec-Fetch-Site',
    description:
      "same-origin, with the cookie: browsers send it by themselves, from pages of the gateway's own origin.",
  },
};

const errorSchema: JsonSchema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: {
        code: { type: 'integer', description: 'The HTTP status.' },
        message: { type: 'string' },
        reason: { type: 'string', description: 'What went wrong, for programs: such as FORBIDDEN.' },
        requestId: { type: 'string' },
        fieldViolations: {
          type: 'array',
          items: {
            type: 'object',
            properties: { field: { type: 'string' }, description: { type: 'string' } },
            required: ['field', 'description'],
          },
        },
        details: { type: 'array', items: { type: 'object', additionalProperties: true } },
        retryAfter: { type: 'integer', description: 'Seconds.' },
      },
      required: ['code', 'message', 'reason', 'requestId'],
    },
  },
  required: ['error'],
};

const errorReference = { $ref: '#/components/schemas/Error' };

const errorResponse = {
  description: 'What went wrong.',
  headers: { 'retry-after': { description: 'Seconds, with 429 and 503.', schema: { type: 'integer' } } },
  content: { 'application/json': { schema: errorReference } },
};
