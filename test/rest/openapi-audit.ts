/** Checks every REST request and answer of a test's gateways against their own OpenAPI document. */
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import addFormats from 'ajv-formats';
import type { Config } from '../../src/config/config';
import { unserved } from '../../src/commands/unserved';
import { loadContract } from '../../src/contract/contract';
import { ownPaths } from '../../src/contract/built-ins';
import { graphqlPaths } from '../../src/graphql/routes';
import type { GatewayOverrides } from '../../src/gateway';
import { createOpenApi, type OpenApiDocument } from '../../src/rest/openapi/openapi';
import { openApiPath } from '../../src/rest/openapi/route';
import { loadSources } from '../../src/schema/sources';
import { signInPaths } from '../../src/signin/routes';

/** A part of the document. What it may hold is the business of the schema of OpenAPI. */
// oxlint-disable-next-line typescript/no-explicit-any
type Part = any;

/** How many requests, answers and events the tests of a file had checked. */
export const audited = { requests: 0, answers: 0, events: 0 };

const problems = new Set<string>();

/** What did not fit since this was last called. */
export function takeProblems(): readonly string[] {
  const taken = [...problems];
  problems.clear();
  return taken;
}

/** The document of a gateway, made anew: in production it serves none. */
function documentOf(config: Config, { sources, resolvers }: Partial<GatewayOverrides>): OpenApiDocument {
  const { schema, operations } = loadContract(sources ?? loadSources(config), {
    ...unserved,
    resolvers: { ...unserved.resolvers, ...resolvers },
  });
  const { providers } = config.signIn;
  const deployment = {
    publicUrl: config.publicUrl,
    cookieName: config.insecureCookies ? 'session' : '__Host-session',
    providers: {
      names: providers.map(({ name }) => name),
      endsSessions: (name: string) => providers.some((each) => each.name === name && each.logout),
    },
  };
  const document = createOpenApi({ schema, operations, signInPaths, version: '0.0.0', deployment });
  if (!config.production) return document;
  const { [openApiPath]: _, ...paths } = document['paths'] as Part;
  return { ...document, paths };
}

/** Those of the folders that many worlds share. */
const audits = new Map<string, Audit>();

/** Audits what a gateway's listener is asked and answers. Its document is made with the first request that is to be audited. */
export function audit(
  handle: RequestListener,
  config: Config,
  overrides: Partial<GatewayOverrides> = {},
): RequestListener {
  let own: Audit | undefined;
  const find = (): Audit => {
    if (overrides.sources || overrides.resolvers) return (own ??= new Audit(documentOf(config, overrides)));
    const { schemaDir, protoDir, protoInclude } = config;
    const providers = config.signIn.providers.map(({ name, logout }) => `${name} ${logout}`);
    const key = JSON.stringify([
      schemaDir,
      protoDir,
      protoInclude,
      config.production,
      config.insecureCookies,
      providers,
    ]);
    const known = audits.get(key) ?? new Audit(documentOf(config, overrides));
    audits.set(key, known);
    return known;
  };
  return (request, response) => {
    if (!graphqlPaths.includes(pathOf(request))) {
      recorded(request, response, (received, answer) => {
        try {
          for (const problem of find().check(request, received, answer)) problems.add(problem);
        } catch (error) {
          // Within the gateway it would be taken for a bug of the gateway.
          problems.add(String((error as Error).stack));
        }
      });
    }
    handle(request, response);
  };
}

/** Calls back with the request's body and the answer, before the end of the answer goes out: so before the client has it. */
export function recorded(
  request: IncomingMessage,
  response: ServerResponse,
  report: (received: string, answer: Answer) => void,
): void {
  const received = recordBody(request);
  recordAnswer(response, (answer) => report(received(), answer));
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0]!;
}

/** An answer as it goes out. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** False where the client left in the middle of it. */
  readonly isWhole: boolean;
}

/** Copies the body of a request as the gateway reads it. */
function recordBody(request: IncomingMessage): () => string {
  const chunks: Buffer[] = [];
  const push = request.push.bind(request);
  request.push = (chunk, encoding) => {
    if (chunk !== null) chunks.push(chunk as Buffer);
    return push(chunk, encoding);
  };
  return () => Buffer.concat(chunks).toString();
}

function recordAnswer(response: ServerResponse, report: (answer: Answer) => void): void {
  const chunks: Buffer[] = [];
  let headers: Record<string, string> = {};
  let isReported = false;
  const reportOnce = (isWhole: boolean): void => {
    if (isReported) return;
    isReported = true;
    const body = Buffer.concat(chunks).toString();
    if (response.headersSent) report({ status: response.statusCode, headers, body, isWhole });
  };
  const keep = (chunk: unknown): void => {
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk));
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  beforeCalls(response, 'writeHead', (args) => (headers = headersOf(args.at(-1))));
  beforeCalls(response, 'write', ([chunk]) => keep(chunk));
  beforeCalls(response, 'end', ([chunk]) => {
    keep(chunk);
    reportOnce(true);
  });
  response.on('close', () => reportOnce(false));
}

function beforeCalls(
  response: ServerResponse,
  name: 'writeHead' | 'write' | 'end',
  note: (args: readonly unknown[]) => void,
): void {
  const call = response[name].bind(response) as (...args: unknown[]) => unknown;
  response[name] = (...args: unknown[]): never => {
    note(args);
    return call(...args) as never;
  };
}

/** By their names in lower case; writeHead takes them as an object, or as names and values in turn. */
function headersOf(given: unknown): Record<string, string> {
  const pairs: [unknown, unknown][] = Array.isArray(given)
    ? given.flatMap((name, index): [unknown, unknown][] => (index % 2 === 0 ? [[name, given[index + 1]]] : []))
    : Object.entries((given ?? {}) as OutgoingHttpHeaders);
  return Object.fromEntries(pairs.map(([name, value]) => [String(name).toLowerCase(), String(value)]));
}

/** A path of a document. */
interface Path {
  readonly names: readonly string[];
  readonly pattern: RegExp;
  readonly item: Part;
}

/** A document, compiled to check requests and answers. */
export class Audit {
  private readonly paths: readonly Path[];
  /** Where objects have no other members than those that are named. */
  private readonly document: Part;
  private readonly ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
  private readonly validators = new Map<object, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.document = closed(document);
    // A path without variables comes first (OpenAPI 3.1, 4.8.8.1).
    const templates = Object.entries<Part>(this.document.paths).sort(
      ([a], [b]) => a.split('{').length - b.split('{').length,
    );
    this.paths = templates.map(([template, item]) => ({
      names: [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name),
      pattern: new RegExp(`^${template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '([^/]+)')}$`),
      item,
    }));
  }

  /**
   * What does not fit the document; nothing for a request that is not for REST.
   *
   * @param received - The request's body.
   */
  check(request: IncomingMessage, received: string, answer: Answer): string[] {
    const path = pathOf(request);
    const query = (request.url ?? '').slice(path.length + 1);
    const method = request.method ?? 'GET';
    const place = `${method} ${request.url} is ${answer.status}`;
    const found = this.find(path);
    const operation = found?.path.item[method === 'HEAD' ? 'get' : method.toLowerCase()];
    // HEAD is not served wherever GET is.
    if (!operation || (method === 'HEAD' && answer.status === 405)) {
      if ((!found && !path.startsWith('/api/')) || isOwn(path) || method === 'OPTIONS') return [];
      audited.answers += 1;
      return this.checkUndescribed(answer).map((problem) => `${place}: ${problem}`);
    }
    const isSuccess = answer.status < 400;
    audited.answers += 1;
    if (isSuccess) audited.requests += 1;
    return [
      ...(isSuccess ? this.checkRequest(operation, { ...found, query, request, received }) : []),
      ...this.checkAnswer(operation, method, answer),
    ].map((problem) => `${place}: ${problem}`);
  }

  private find(path: string): { readonly path: Path; readonly values: readonly string[] } | undefined {
    for (const each of this.paths) {
      const match = each.pattern.exec(path);
      if (!match) continue;
      try {
        return { path: each, values: match.slice(1).map(decodeURIComponent) };
      } catch {
        // Not percent-encoded as it should be: no value.
      }
    }
    return undefined;
  }

  /** A path, or a method of one, that the document does not have is an error like any other. */
  private checkUndescribed({ status, headers, body }: Answer): string[] {
    if (status < 400) return ['the document has no such route'];
    const error = this.document.components.schemas.Error;
    return isJson(headers) && body !== '' ? this.problemsOf(error, parse(body), 'the error') : [];
  }

  private checkRequest(
    { parameters = [], requestBody, security }: Part,
    {
      path,
      values,
      query,
      request,
      received,
    }: {
      readonly path: Path;
      readonly values: readonly string[];
      readonly query: string;
      readonly request: IncomingMessage;
      readonly received: string;
    },
  ): string[] {
    const given = new URLSearchParams(query);
    const found: string[] = [];
    for (const parameter of parameters) {
      const { name, in: where, required, schema, allowEmptyValue } = this.resolve(parameter);
      const texts = {
        path: () => [values[path.names.indexOf(name)] ?? ''],
        query: () => given.getAll(name),
        header: () => [request.headers[name.toLowerCase()] ?? []].flat(),
      }[where as 'path' | 'query' | 'header']();
      if (texts.length === 0) {
        if (required) found.push(`the request needs the parameter ${name}`);
        continue;
      }
      if (allowEmptyValue && texts.every((text) => text === '')) continue;
      found.push(...this.problemsOf(schema, valueOf(texts, schema), `the request's parameter ${name}`));
    }
    if (requestBody) {
      const type = essence(request.headers['content-type']);
      const content = requestBody.content[type];
      if (!content) found.push(`the request's body may not be ${type || 'of no type'}`);
      else found.push(...this.problemsOf(content.schema, parse(received), "the request's body"));
    }
    const alternatives = security as Record<string, unknown>[];
    const isLetIn = (names: string[]): boolean => names.every((name) => this.shows(name, request));
    if (alternatives.length > 0 && !alternatives.some((each) => isLetIn(Object.keys(each)))) {
      found.push('the request has none of what the document says it needs to be let in');
    }
    return found;
  }

  private resolve(part: Part): Part {
    return resolved(this.document, part);
  }

  /** Whether a request has what a security scheme asks for. */
  private shows(scheme: string, { headers }: IncomingMessage): boolean {
    const { type, in: where, name = '' } = this.document.components.securitySchemes[scheme];
    if (type === 'http') return /^bearer /i.test(headers.authorization ?? '');
    return where === 'cookie' ? headers.cookie !== undefined : headers[name.toLowerCase()] !== undefined;
  }

  private checkAnswer(operation: Part, method: string, answer: Answer): string[] {
    const { status, headers, body, isWhole } = answer;
    const described = operation.responses[status] ?? operation.responses.default;
    if (!described) return ['the document has no such status'];
    const response = this.resolve(described);
    const found = Object.entries<Part>(response.headers ?? {}).flatMap(([name, header]) => {
      const { required, schema } = this.resolve(header);
      const text = headers[name];
      if (text === undefined) return required ? [`the answer needs the header ${name}`] : [];
      return this.problemsOf(schema, valueOf([text], schema), `the answer's header ${name}`);
    });
    if (method === 'HEAD') return found;
    if (!response.content) return [...found, ...(body === '' ? [] : ['the answer has a body, and should have none'])];
    const type = essence(headers['content-type']);
    const content = response.content[type];
    if (!content) return [...found, `the answer may not be ${type || 'of no type'}`];
    const line = response.content['application/x-ndjson']?.schema;
    if (type === 'text/event-stream') return [...found, ...this.checkEvents(line, readEvents(body))];
    if (type === 'application/x-ndjson') return [...found, ...this.checkEvents(line, readLines(body))];
    return isWhole ? [...found, ...this.problemsOf(content.schema, parse(body), 'the answer')] : found;
  }

  private checkEvents(schema: Part, events: readonly unknown[]): string[] {
    audited.events += events.length;
    return events.flatMap((event, index) => this.problemsOf(schema, event, `event ${index + 1} of the answer`));
  }

  private problemsOf(schema: object, value: unknown, what: string): string[] {
    let validate = this.validators.get(schema);
    if (!validate) {
      validate = this.ajv.compile({ ...schema, components: this.document.components });
      this.validators.set(schema, validate);
    }
    if (validate(value)) return [];
    const reasons = validate.errors?.map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
    return [`${what} does not fit: ${reasons?.join('; ')} in ${JSON.stringify(value)?.slice(0, 500)}`];
  }
}

/** Whether the gateway answers a path itself: these are described once the document has them. */
function isOwn(path: string): boolean {
  return ownPaths.some((own) => new RegExp(`^${own.replace(/\{\w+\}/g, '[^/]+')}$`).test(path));
}

/** The value of a parameter or header, by the types that its schema has. */
function valueOf(texts: readonly string[], schema: Part): unknown {
  const types = [schema.type].flat();
  if (types.includes('array')) return texts.map((text) => valueOf([text], schema.items));
  const [text = ''] = texts;
  if (texts.length > 1) return texts;
  if ((types.includes('integer') || types.includes('number')) && text.trim() !== '' && Number.isFinite(Number(text))) {
    return Number(text);
  }
  return types.includes('boolean') && /^(true|false)$/.test(text) ? text === 'true' : text;
}

function essence(contentType: string | undefined): string {
  return contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
}

function isJson(headers: Answer['headers']): boolean {
  return essence(headers['content-type']) === 'application/json';
}

/** Invalid JSON is text, which fits no object. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return text;
  }
}

/** Server-sent events that came whole (HTML, 9.2.6), as lines of JSON have them. */
function readEvents(text: string): unknown[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((block) => block.split('\n').filter((line) => !line.startsWith(':') && line !== ''))
    .filter((lines) => lines.length > 0)
    .map((lines) => {
      const fields = new Map(lines.map((line) => line.split(/: ?(.*)/s) as [string, string]));
      const { event = 'message', data, ...others } = Object.fromEntries(fields);
      return { event, ...others, ...(data === undefined ? {} : { data: parse(data) }) };
    });
}

function readLines(text: string): unknown[] {
  return text.split('\n').slice(0, -1).map(parse);
}

/** What a reference within a document leads to; any other part as it is. */
export function resolved(document: Part, part: Part): Part {
  if (typeof part?.$ref !== 'string') return part;
  const [, ...names] = part.$ref.split('/') as string[];
  return names.reduce((at: Part, name) => at[name], document);
}

/** A part of a document in which objects have the members that are named and no others, unless it says that they may. */
export function closed(part: Part): Part {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== 'object' || part === null) return part;
  const copy = Object.fromEntries(Object.entries<Part>(part).map(([key, value]) => [key, closed(value)]));
  return copy['type'] === 'object' && copy['properties'] ? { additionalProperties: false, ...copy } : copy;
}
