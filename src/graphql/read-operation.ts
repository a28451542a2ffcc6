import { GatewayError } from '../errors';
import { readJson, type Exchange } from '../http/exchange';
import type { OperationRequest } from '../pipeline/pipeline';

/** The parameters of a request as they came (GraphQL over HTTP, "Request Parameters"). */
interface Parameters {
  readonly query?: unknown;
  readonly operationName?: unknown;
  readonly variables?: unknown;
  readonly extensions?: unknown;
}

/** Reads the operation of a request: of a POST from its body, of a GET from its query. @throws GatewayError as these do */
export function readOperation(exchange: Exchange): OperationRequest | Promise<OperationRequest> {
  return exchange.method === 'POST' ? operationInBody(exchange) : operationInQuery(exchange.query);
}

/**
 * Reads the operation of a POST from its body, a JSON object in UTF-8.
 *
 * @throws GatewayError UNSUPPORTED_MEDIA_TYPE for anything but plain application/json; PAYLOAD_TOO_LARGE; BAD_USER_INPUT for
 * what is not JSON, several operations at once, and parameters that are unknown or of a wrong type
 */
async function operationInBody(exchange: Exchange): Promise<OperationRequest> {
  const body = await readJson(exchange);
  if (typeof body !== 'object' || body === null) {
    throw badRequest(`POST body is expected to be object but received ${body === null ? 'null' : typeof body}`);
  }
  if (Array.isArray(body)) throw badRequest('Batching is not supported.');
  for (const name in body) {
    if (name === 'query' || name === 'variables' || name === 'operationName' || name === 'extensions') continue;
    const value = (body as Record<string, unknown>)[name];
    if (value === null) continue;
    // The answer must not grow with what a stranger sends.
    throw badRequest(`Unexpected parameter "${name.slice(0, 100)}" in the request body.`);
  }
  return operationOf(body);
}

/**
 * Reads the operation of a GET from its query string, where variables and extensions are JSON. Of parameters that are there
 * more than once the first counts; unknown ones are ignored, and empty ones are as good as none.
 *
 * @param query - As it came, percent-encoded, without the question mark.
 * @throws GatewayError BAD_USER_INPUT for what is not JSON, and parameters of a wrong type
 */
function operationInQuery(query: string): OperationRequest {
  const given = new URLSearchParams(query);
  const valueOf = (name: string): string | undefined => given.get(name) || undefined;
  return operationOf({
    query: valueOf('query'),
    operationName: valueOf('operationName'),
    variables: parseParameter(valueOf('variables')),
    extensions: parseParameter(valueOf('extensions')),
  });
}

function operationOf({ query, operationName, variables, extensions }: Parameters): OperationRequest {
  if (typeof query !== 'string') {
    throw badRequest(
      query === undefined || query === null
        ? 'Must provide query string.'
        : `Expected "query" param to be a string, but given ${kindOf(query)}.`,
    );
  }
  if (!isObjectOrNothing(variables)) throw notAnObject('variables', variables);
  if (!isObjectOrNothing(extensions)) throw notAnObject('extensions', extensions);
  if (typeof operationName !== 'string' && operationName !== undefined && operationName !== null) {
    throw badRequest(`Expected "operationName" param to be empty or a string, but given ${kindOf(operationName)}.`);
  }
  return { query, operationName, variables };
}

function parseParameter(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('variables and extensions must be JSON.');
  }
}

function isObjectOrNothing(value: unknown): value is Readonly<Record<string, unknown>> | null | undefined {
  return value === undefined || (typeof value === 'object' && !Array.isArray(value));
}

function notAnObject(name: string, value: unknown): GatewayError {
  return badRequest(`Expected "${name}" param to be empty or an object, but given ${kindOf(value)}.`);
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}

function badRequest(message: string): GatewayError {
  return new GatewayError('BAD_USER_INPUT', message);
}
