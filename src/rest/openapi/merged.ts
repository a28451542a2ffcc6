import type { MediaTypeObject, OperationObject, ParameterObject, RequestBodyObject, ResponseObject } from './objects';

/**
 * One operation for a route that answers both whole and as a stream. Accept tells which of the two is meant, so the document allows
 * what either takes.
 *
 * @param whole - Gives its name and summary to both.
 */
export function merged(whole: OperationObject, stream: OperationObject): OperationObject {
  const texts = [whole.description, stream.summary && `As a stream: ${stream.summary}.`, stream.description];
  const description = [...new Set(texts.filter(Boolean))].join('\n\n');
  return {
    ...whole,
    ...(description === '' ? {} : { description }),
    parameters: mergedParameters(whole.parameters, stream.parameters),
    ...mergedBody(whole.requestBody, stream.requestBody),
    responses: mergedResponses(whole.responses, stream.responses),
    security: mergedSecurity(whole.security, stream.security),
  };
}

/** A parameter is required where both operations require it. */
function mergedParameters(one: readonly ParameterObject[], other: readonly ParameterObject[]): ParameterObject[] {
  const keyOf = ({ $ref, in: where, name }: ParameterObject) => $ref ?? `${where} ${name}`;
  const found = new Map([...other, ...one].map((each) => [keyOf(each), each]));
  const requires = (parameters: readonly ParameterObject[], key: string) =>
    parameters.some((each) => keyOf(each) === key && each.required === true);
  return [...found].map(([key, each]) => {
    const required = requires(one, key) && requires(other, key);
    return each.required === true && !required ? { ...each, required } : each;
  });
}

function mergedBody(
  one: RequestBodyObject | undefined,
  other: RequestBodyObject | undefined,
): Pick<OperationObject, 'requestBody'> {
  const either = one ?? other;
  if (!either) return {};
  if (!one || !other) return { requestBody: { ...either, required: false } };
  const content: Record<string, MediaTypeObject> = {};
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

/** Where one of the two needs no session, the document demands none. */
function mergedSecurity(one: readonly object[], other: readonly object[]): readonly object[] {
  const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one];
  return shorter.length === 0 && longer.length > 0 ? [{}, ...longer] : longer;
}
