import { DocumentError, isObject, itemsOf, membersOf, References, type Members } from './references';
import { SchemaComparison, type Change, type Direction } from './schema-changes';
import { SchemaViews } from './schema-view';

/** What has changed between two OpenAPI documents: lines that begin with the place, such as `GET /api/v1/users: `. */
export interface OpenApiChanges {
  /** What breaks clients that were made for the older document. */
  readonly breaking: readonly string[];
  /** What such clients may meet and not know. */
  readonly warnings: readonly string[];
  /** Places where something was added. */
  readonly added: readonly string[];
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

/**
 * Compares two documents of OpenAPI, for clients of the older one. Schemas are followed through their references.
 *
 * @throws DocumentError for a document that is not of OpenAPI 3, has a reference that cannot be followed, or is too large to compare
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function openApiChanges(before: unknown, after: unknown): OpenApiChanges {
  return new DocumentComparison(new Version(before), new Version(after)).compare();
}

/** A method of a path. */
interface Operation {
  /** Such as `GET /api/v1/users/{userId}`. */
  readonly name: string;
  readonly path: string;
  readonly operation: Members;
  /** Those of the path among them. */
  readonly parameters: readonly Members[];
  /** The security requirements, of which a request has to meet one: names of schemes, by what clients send for them. */
  readonly security: readonly ReadonlyMap<string, string>[];
}

/** One of the two documents. */
class Version {
  readonly references: References;
  readonly views: SchemaViews;
  /** By method and path, without the names of variables, which clients do not see. */
  readonly operations = new Map<string, Operation>();

  constructor(document: unknown) {
    const version = isObject(document) ? document['openapi'] : undefined;
    if (!isObject(document) || typeof version !== 'string' || !/^3\.\d/.test(version)) {
      throw new DocumentError(
        `it is not an OpenAPI 3 document: "openapi" is ${version === undefined ? 'not there' : JSON.stringify(version).slice(0, 50)}`,
      );
    }
    this.references = new References(document);
    this.views = new SchemaViews(this.references);
    for (const [path, value] of Object.entries(membersOf(document['paths']))) {
      const item = this.references.resolve(value);
      for (const method of methods) {
        const operation = item[method];
        if (!isObject(operation)) continue;
        const name = `${method.toUpperCase()} ${path}`;
        this.operations.set(name.replace(/\{[^{}]*\}/g, '{}'), {
          name,
          path,
          operation,
          parameters: this.parametersOf(item, operation),
          security: this.securityOf(document, operation),
        });
      }
    }
  }

  private parametersOf(item: Members, operation: Members): Members[] {
    const all = [item, operation].flatMap(({ parameters }) =>
      itemsOf(parameters).map((each) => this.references.resolve(each)),
    );
    // Those of the operation replace those of its path.
    return [...new Map(all.map((each) => [`${String(each['in'])} ${String(each['name'])}`, each])).values()];
  }

  private securityOf(document: Members, { security = document['security'] }: Members): Operation['security'] {
    const schemes = membersOf(membersOf(document['components'])['securitySchemes']);
    return itemsOf(security).map(
      (requirement) =>
        new Map(
          Object.entries(membersOf(requirement)).map(([name, scopes]) => {
            const { type, scheme, in: where, name: parameter } = this.references.resolve(schemes[name]);
            // Browsers send cookies by themselves, whatever these are called.
            const sentAs = where === 'cookie' ? undefined : parameter;
            return [JSON.stringify([type, scheme, where, sentAs, itemsOf(scopes).map(String).sort()]), name];
          }),
        ),
    );
  }
}

class DocumentComparison {
  private readonly breaking = new Set<string>();
  private readonly warnings = new Set<string>();
  private readonly added = new Set<string>();
  private readonly requests = new SchemaComparison('request');
  private readonly answers = new SchemaComparison('answer');

  constructor(
    private readonly older: Version,
    private readonly newer: Version,
  ) {}

  compare(): OpenApiChanges {
    for (const [route, operation] of this.older.operations) {
      const now = this.newer.operations.get(route);
      if (now) this.compareOperations(operation, now);
      else this.noteBreak(operation.name, 'was removed');
    }
    for (const [route, { name }] of this.newer.operations) {
      if (!this.older.operations.has(route)) this.added.add(name);
    }
    return { breaking: [...this.breaking], warnings: [...this.warnings], added: [...this.added] };
  }

  /** @param place - Such as `GET /api/v1/users: answer 200`. */
  private noteBreak(place: string, message: string): void {
    this.breaking.add(`${place}: ${message}`);
  }

  private noteWarning(place: string, message: string): void {
    this.warnings.add(`${place}: ${message}`);
  }

  private noteChange(place: string, { kind, at, message }: Change): void {
    const where = at === '' ? place : `${place}: ${at.replace(/^\./, '')}`;
    if (kind === 'breaking') this.noteBreak(where, message);
    else if (kind === 'warning') this.noteWarning(where, message);
    else this.added.add(message === '' ? where : `${where}: ${message}`);
  }

  private compareOperations(before: Operation, after: Operation): void {
    const { name } = before;
    const [older, newer] = [before.operation['operationId'], after.operation['operationId']];
    if (typeof older === 'string' && older !== newer) {
      const now = typeof newer === 'string' ? newer : 'none';
      this.noteWarning(name, `has the operationId ${now}, and had ${older}: generated clients call it by that`);
    }
    this.compareSecurity(name, before.security, after.security);
    this.comparePath(before, after);
    for (const where of ['query', 'header', 'cookie']) this.compareParameters(name, where, before, after);
    this.compareBodies(`${name}: body`, before.operation['requestBody'], after.operation['requestBody']);
    this.compareAnswers(name, before.operation['responses'], after.operation['responses']);
  }

  /** A request that was let in must still be let in. */
  private compareSecurity(name: string, before: Operation['security'], after: Operation['security']): void {
    const open = [new Map<string, string>()];
    const [older, newer] = [before, after].map((each) => (each.length === 0 ? open : each)) as [
      typeof open,
      typeof open,
    ];
    const isLetIn = (shown: ReadonlyMap<string, string>): boolean =>
      newer.some((needed) => [...needed.keys()].every((each) => shown.has(each)));
    const needs = newer.map(named);
    for (const shown of older.filter((each) => !isLetIn(each))) {
      const sent = named(shown);
      this.noteBreak(
        name,
        needs.includes(sent)
          ? `accepts ${sent} in another way than before`
          : `requires ${needs.join(', or ')}, and accepted ${sent}`,
      );
    }
  }

  /** The variables of a path are compared by their position. */
  private comparePath(before: Operation, after: Operation): void {
    const [older = [], newer = []] = [before, after].map(({ path, parameters }) =>
      [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) =>
        parameters.find((each) => each['in'] === 'path' && each['name'] === name),
      ),
    );
    for (const [index, parameter] of older.entries()) {
      const now = newer[index];
      if (parameter && now) {
        this.compareParameter(`${before.name}: path parameter ${String(parameter['name'])}`, parameter, now);
      }
    }
  }

  private compareParameters(name: string, where: string, before: Operation, after: Operation): void {
    const [older, newer] = [before, after].map(({ parameters }) => {
      const here = parameters.filter((each) => each['in'] === where);
      // Names of headers have no case (RFC 9110, 5.1).
      const nameOf = (each: Members): string =>
        where === 'header' ? String(each['name']).toLowerCase() : String(each['name']);
      return new Map(here.map((each) => [nameOf(each), each]));
    }) as [Map<string, Members>, Map<string, Members>];
    for (const [key, parameter] of older) {
      const place = `${name}: ${where} parameter ${key}`;
      const now = newer.get(key);
      if (now) this.compareParameter(place, parameter, now);
      else this.noteBreak(place, 'is no longer accepted');
    }
    for (const [key, { required }] of newer) {
      if (older.has(key)) continue;
      const place = `${name}: ${where} parameter ${key}`;
      if (required === true) this.noteBreak(place, 'is required, and was not');
      else this.added.add(place);
    }
  }

  private compareParameter(place: string, before: Members, after: Members): void {
    if (after['required'] === true && before['required'] !== true) this.noteBreak(place, 'is required, and was not');
    const [older, newer] = [serializationOf(before), serializationOf(after)];
    for (const [name, value] of Object.entries(newer)) {
      if (older[name] === value) continue;
      this.noteBreak(place, `is written with ${name} ${String(value)}, and was with ${String(older[name])}`);
    }
    if (before['allowEmptyValue'] === true && after['allowEmptyValue'] !== true) {
      this.noteBreak(place, 'may no longer be empty');
    }
    if (isObject(before['content']) || isObject(after['content'])) {
      this.compareContent(place, 'request', before['content'], after['content']);
    } else this.compareSchemas(place, 'request', before['schema'], after['schema']);
  }

  private compareBodies(place: string, before: unknown, after: unknown): void {
    const [older, newer] = [this.older.references.resolve(before), this.newer.references.resolve(after)];
    const isNeeded = newer['required'] === true;
    if (before === undefined) {
      if (isNeeded) this.noteBreak(place, 'is required, and was not');
      else if (after !== undefined) this.added.add(place);
    } else if (after === undefined) this.noteBreak(place, 'is no longer accepted');
    else {
      if (isNeeded && older['required'] !== true) this.noteBreak(place, 'is required, and was not');
      this.compareContent(place, 'request', older['content'], newer['content']);
    }
  }

  private compareAnswers(name: string, before: unknown, after: unknown): void {
    const [older, newer] = [membersOf(before), membersOf(after)];
    const gone = Object.keys(older).filter((status) => isSuccess(status) && !Object.hasOwn(newer, status));
    const come = Object.keys(newer).filter((status) => isSuccess(status) && !Object.hasOwn(older, status));
    if (gone.length > 0) {
      this.noteBreak(name, `answers ${come.join(' or ') || 'with errors only'}, and answered ${gone.join(' or ')}`);
    } else if (come.length > 0) {
      this.noteWarning(name, `may answer ${come.join(' or ')}, which is new`);
    }
    const compared = new Set<Members>();
    // Many statuses of errors share one answer, which is compared once.
    const statuses = [...new Set(['default', ...Object.keys(older), ...Object.keys(newer)])].sort(
      (a, b) => Number(isSuccess(b)) - Number(isSuccess(a)),
    );
    for (const status of statuses) {
      const [old, now] = [answerTo(status, older), answerTo(status, newer)];
      if (old === undefined || now === undefined || (isSuccess(status) && !Object.hasOwn(older, status))) continue;
      const [oldAnswer, newAnswer] = [this.older.references.resolve(old), this.newer.references.resolve(now)];
      if (compared.has(oldAnswer) && compared.has(newAnswer)) continue;
      compared.add(oldAnswer).add(newAnswer);
      this.compareAnswer(`${name}: answer ${status}`, oldAnswer, newAnswer);
    }
  }

  private compareAnswer(place: string, before: Members, after: Members): void {
    this.compareContent(place, 'answer', before['content'], after['content']);
    const [older, newer] = [before, after].map(
      ({ headers }) => new Map(Object.entries(membersOf(headers)).map(([name, value]) => [name.toLowerCase(), value])),
    ) as [Map<string, unknown>, Map<string, unknown>];
    for (const [name, value] of older) {
      const at = `${place}: header ${name}`;
      if (!newer.has(name)) {
        this.noteBreak(at, 'is gone');
        continue;
      }
      const header = this.older.references.resolve(value);
      const now = this.newer.references.resolve(newer.get(name));
      if (header['required'] === true && now['required'] !== true) this.noteBreak(at, 'may be left out, and was not');
      this.compareSchemas(at, 'answer', header['schema'], now['schema']);
    }
    for (const name of newer.keys()) {
      if (!older.has(name)) this.added.add(`${place}: header ${name}`);
    }
  }

  /** Bodies by their media types. */
  private compareContent(place: string, direction: Direction, before: unknown, after: unknown): void {
    const [older, newer] = [membersOf(before), membersOf(after)];
    const types = Object.keys(older);
    for (const type of types) {
      const at = types.length > 1 || type !== 'application/json' ? `${place}: ${type}` : place;
      if (!Object.hasOwn(newer, type)) {
        this.noteBreak(at, direction === 'answer' ? 'is no longer answered' : 'is no longer accepted');
      } else {
        this.compareSchemas(at, direction, membersOf(older[type])['schema'], membersOf(newer[type])['schema']);
      }
    }
    for (const type of Object.keys(newer)) {
      if (!Object.hasOwn(older, type)) this.added.add(`${place}: ${type}`);
    }
  }

  private compareSchemas(place: string, direction: Direction, before: unknown, after: unknown): void {
    const comparison = direction === 'answer' ? this.answers : this.requests;
    try {
      const changes = comparison.compare(this.older.views.of(before), this.newer.views.of(after));
      for (const change of changes) this.noteChange(place, change);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      throw new DocumentError(`${place}: ${error.message}`);
    }
  }
}

function named(requirement: ReadonlyMap<string, string>): string {
  return [...requirement.values()].join(' and ') || 'nothing';
}

/** How the value of a parameter is written; defaults where it says nothing (OpenAPI 3.1, 4.8.12.2.1). */
function serializationOf(parameter: Members): Members {
  const { in: where } = parameter;
  const { style = where === 'query' || where === 'cookie' ? 'form' : 'simple' } = parameter;
  const { explode = style === 'form', allowReserved = false } = parameter;
  return { style, explode, allowReserved };
}

/** 3xx are no errors either. */
function isSuccess(status: string): boolean {
  return /^[23]/.test(status);
}

/** The answer for a status: its own, that of its class, or the one for all others (OpenAPI 3.1, 4.8.16). */
function answerTo(status: string, responses: Members): unknown {
  return responses[status] ?? responses[`${status.slice(0, 1)}XX`] ?? responses['default'];
}
