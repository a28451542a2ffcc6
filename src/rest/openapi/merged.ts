import type { OperationObject, ResponseObject } from './operation';

/**
 * A whole answer and a stream of one path. Accept tells which of the two is meant, so the document allows what either takes.
 *
 * @param whole - Gives its name and summary to both.
 */
export function merged(whole: OperationObject, stream: OperationObject): OperationObject {
  const { parameters = [], requestBody, responses, security = [] } = whole;
  const texts = [whole.description, stream.summary && `As a stream: ${stream.summary}.`, stream.description];
  const description = [...new Set(texts.filter(Boolean))].join('\n\n');
  return {
    ...whole,
    ...(description === '' ? {} : { description }),
    parameters: mergedParameters(parameters, stream.parameters ?? []),
    ...mergedBody(requestBody as Body | undefined, stream.requestBody as Body | undefined),
    responses: mergedResponses(responses, stream.responses),
    security: mergedSecurity(security, stream.security ?? []),
  };
}

/** Or a reference to one. */
interface Parameter {
  readonly $ref?: string;
  readonly in?: string;
  readonly name?: string;
  readonly required?: boolean;
}

/** Required is what both require. */
function mergedParameters(one: readonly Parameter[], other: readonly Parameter[]): Parameter[] {
  const keyOf = ({ $ref, in: where, name }: Parameter) => $ref ?? `${where} ${name}`;
  const found = new Map([...other, ...one].map((each) => [keyOf(each), each]));
  const requires = (parameters: readonly Parameter[], key: string) =>
    parameters.some((each) => keyOf(each) === key && each.required === true);
  return [...found].map(([key, each]) => {
    const required = requires(one, key) && requires(other, key);
    return each.required === true && !required ? { ...each, required } : each;
  });
}

interface Body {
  readonly required: boolean;
  readonly content: Readonly<Record<string, { readonly schema: object; readonly example: unknown }>>;
}

function mergedBody(one: Body | undefined, other: Body | undefined): { requestBody?: object } {
  const either = one ?? other;
  if (!either) return {};
  if (!one || !other) return { requestBody: { ...either, required: false } };
  const content: Record<string, object> = {};
  for (const [type, mediaType] of Object.entries(one.content)) {
    const schemas = [mediaType.schema, other.content[type]?.schema ?? mediaType.schema];
    const isSame = JSON.stringify(schemas[0]) === JSON.stringify(schemas[1]);
    content[type] = isSame ? mediaType : { ...mediaType, schema: { anyOf: schemas } };
  }
  return { requestBody: { ...one, content } };
}

function mergedResponses(
  one: OperationObject['responses'],
  other: OperationObject['responses'],
): Record<string, ResponseObject> {
  const responses: Record<string, ResponseObject> = { ...one };
  for (const [status, response] of Object.entries(other)) {
    const known = responses[status];
    responses[status] = known?.content
      ? {
          ...known,
          headers: { ...response.headers, ...known.headers },
          content: { ...known.content, ...response.content },
        }
      : (known ?? response);
  }
  return responses;
}

/** Nobody has to be signed in for what one of them gives to everybody. */
function mergedSecurity(one: readonly object[], other: readonly object[]): readonly object[] {
  const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one];
  return shorter.length === 0 && longer.length > 0 ? [{}, ...longer] : longer;
}
