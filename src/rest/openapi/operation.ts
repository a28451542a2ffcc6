import { Kind, parse, type FieldNode, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import { compileDocument } from '../../execution/compiled-operation';
import { Memory } from '../../execution/memory';
import { SchemaTraits } from '../../execution/selection';
import { OperationPlan } from '../../pipeline/operation-plan';
import type { AccessRule } from '../../schema/access';
import type { FieldRateLimit } from '../../schema/rate-limit';
import type { RestOperation } from '../rest-operation';
import { AnswerSchemas } from './answer-schema';
import type { SchemaComponents } from './components';
import { errorReferences } from './error-responses';
import { exampleOf } from './example';
import { rateLimitHeaderRefs, requestIdHeader } from './headers';
import { InputSchemas } from './input-schema';
import { described, withoutNull, type JsonSchema } from './json-schema';
import type { OperationObject, ResponseObject } from './objects';
import { bodyOf, parametersOf } from './request';
import { streamContent } from './stream-content';
import { variableUses } from './variable-uses';

/** Describes the operations of routes as OpenAPI does. */
export class OperationDescriber {
  private readonly inputs: InputSchemas;
  private readonly traits: SchemaTraits;

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly components: SchemaComponents,
  ) {
    this.inputs = new InputSchemas(components);
    this.traits = new SchemaTraits(schema);
  }

  describe(operation: RestOperation): OperationObject {
    const { schema, components, inputs } = this;
    const document = parse(operation.query);
    const node = document.definitions.find(
      (each) => each.kind === Kind.OPERATION_DEFINITION,
    ) as OperationDefinitionNode;
    const root = node.selectionSet.selections[0] as FieldNode;
    const field = schema.getRootType(node.operation)?.getFields()[root.name.value];
    if (!field) throw new Error(`the schema has no field ${root.name.value}`);
    const [compiled] = compileDocument(this.traits, document, new Memory());
    const { rules, needsSession, rateLimits } = new OperationPlan(compiled!, new Memory());
    const answers = new AnswerSchemas(schema, document, components);
    const answer = answers.ofField(field.type, [root], operation.shape);
    const request = { inputs, components, uses: variableUses(schema, document) };
    const body = bodyOf(operation, request);
    const { summary, rest } = summaryOf(field.description ?? '');
    const { description: more, deprecated } = described({ ...field, description: rest });
    const description = [
      more,
      ...new Set(rules.flatMap(ruleText)),
      ...rateLimits.map(rateLimitText),
      operation.refusesUnknownQuery ? 'Other query parameters are refused with 400.' : undefined,
    ].filter(Boolean);
    return {
      ...(summary === '' ? {} : { summary }),
      ...(description.length === 0 ? {} : { description: description.join('\n\n') }),
      ...(deprecated ? { deprecated: true } : {}),
      parameters: parametersOf(operation, request),
      ...(body ? { requestBody: body } : {}),
      responses: {
        [operation.isStream ? 200 : operation.status]: this.success(operation, answer, {
          ...requestIdHeader,
          ...(rateLimits.length === 0 ? {} : rateLimitHeaderRefs),
          ...Object.fromEntries(Object.entries(answers.headers).map(([name, each]) => [name, { schema: each }])),
        }),
        ...(operation.isStream ? { 204: allSent } : {}),
        ...errorReferences(errorStatuses(body !== undefined, needsSession)),
      },
      security: needsSession ? securityOf(operation.method) : [],
    };
  }

  private success(
    operation: RestOperation,
    answer: JsonSchema,
    headers: Readonly<Record<string, object>>,
  ): ResponseObject {
    const { components } = this;
    if (operation.isStream) {
      return { description: 'A stream of events.', headers, content: streamContent(answer, operation, components) };
    }
    if (operation.status === 204) return { description: 'Success, without a body.', headers };
    // In place of null the answer is 404.
    const schema = withoutNull(answer);
    return {
      description: 'Success.',
      headers,
      content: { 'application/json': { schema, example: exampleOf(schema, { components }) } },
    };
  }
}

/** Where a client asks to go on with a stream of which it has everything. */
const allSent: ResponseObject = {
  description: 'The client has all events of the stream, by its last event id.',
  headers: requestIdHeader,
};

/** The first sentence of a description, and the others. */
function summaryOf(description: string): { readonly summary: string; readonly rest: string } {
  const [first = description] = /^.*?[.!?](?=\s|$)/s.exec(description) ?? [];
  const summary = first.replace(/\s+/g, ' ').replace(/\.$/, '');
  return { summary, rest: description.slice(first.length).trim() };
}

/** Which permissions a rule asks for: all those of one of its lists. */
function ruleText({ scopes, policies }: AccessRule): string[] {
  const text = (lists: readonly (readonly string[])[]) => lists.map((all) => all.join(' and ')).join(', or ');
  return [
    ...(scopes ? [`Needs the permission ${text(scopes)}.`] : []),
    ...(policies ? [`Needs the permission ${text(policies)}, which is asked about for each request.`] : []),
  ];
}

const countedBy = { USER: 'by each user', SESSION: 'by each session', ADDRESS: 'from each address' };

function rateLimitText({ name, limit, window, by }: FieldRateLimit): string {
  return `At most ${limit} times in ${window} s ${countedBy[by]} (\`${name}\`).`;
}

function errorStatuses(hasBody: boolean, needsSession: boolean): number[] {
  return [
    400,
    ...(needsSession ? [401, 403] : []),
    404,
    406,
    409,
    ...(hasBody ? [413, 415] : []),
    429,
    500,
    501,
    502,
    503,
    504,
  ];
}

/** With the cookie, a request that changes something must show that it is not from another site. Browsers may do so by themselves. */
export function securityOf(method: string): object[] {
  if (method === 'GET') return [{ bearer: [] }, { cookie: [] }];
  return [{ bearer: [] }, { cookie: [], csrf: [] }, { cookie: [], sameOrigin: [] }];
}
