import {
  getNamedType,
  getNullableType,
  isCompositeType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  parse,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import { fragmentsOf } from '../execution/compiled-operation';
import type { AnswerShape } from '../rest/answer-shape';
import { enumCases, type EnumCase } from '../rest/enum-case';
import type { RestOperation } from '../rest/rest-operation';

/** A breaking change of a route. */
export interface RouteChange {
  /** One sentence. */
  readonly message: string;
  /** Such as `GET /api/v1/users/me`. */
  readonly route: string;
}

interface Routes {
  readonly schema: GraphQLSchema;
  readonly operations: readonly RestOperation[];
}

/**
 * The changes that break clients of the older routes: in what they send, and in what they read.
 *
 * @param after - Not complete where it leaves out routes that do not fit the schema: then no route counts as removed.
 */
export function routeChanges(before: Routes, after: Routes & { readonly complete: boolean }): RouteChange[] {
  return before.operations.flatMap((operation) =>
    operation.paths.flatMap((path) => {
      const route = `${operation.method} ${path}`;
      const heir = after.operations.find(
        ({ method, paths, isStream }) =>
          method === operation.method &&
          // A stream and a whole answer may share a path: Accept says which is meant.
          isStream === operation.isStream &&
          paths.some((each) => withoutNames(each) === withoutNames(path)),
      );
      const problems = heir
        ? [...requestChanges(operation, heir), ...answerChanges(before.schema, operation, after.schema, heir)]
        : after.complete
          ? ['was removed']
          : [];
      return problems.map((problem) => ({ route, message: `${route} ${problem}` }));
    }),
  );
}

/** A path without the names of its variables, which clients do not see. */
function withoutNames(path: string): string {
  return path.replace(/\{\w+\}/g, '{}');
}

/** The parameters that a request may have, by name. */
type Parameters = ReadonlyMap<
  string,
  { readonly type: GraphQLInputType; readonly required: boolean; readonly enumCase: EnumCase | undefined }
>;

function requestChanges(before: RestOperation, after: RestOperation): string[] {
  return [
    ...(before.status === after.status ? [] : [`answers ${after.status}, and answered ${before.status}`]),
    ...parameterChanges('query parameter', queryOf(before), queryOf(after)),
    ...parameterChanges('body field', bodyOf(before), bodyOf(after)),
    ...pathTypes(before, after),
  ];
}

function queryOf({ queryVariables }: RestOperation): Parameters {
  return new Map(queryVariables.map(({ name, type, required, enumCase }) => [name, { type, required, enumCase }]));
}

function bodyOf({ body, bodyVariables }: RestOperation): Parameters {
  if (body === '*') {
    return new Map(bodyVariables.map(({ name, type, required, enumCase }) => [name, { type, required, enumCase }]));
  }
  const [variable] = bodyVariables;
  const named = variable && getNamedType(variable.type);
  if (!isInputObjectType(named)) return new Map();
  return new Map(
    Object.values(named.getFields()).map((field) => [
      field.name,
      {
        type: field.type,
        required: isNonNullType(field.type) && field.defaultValue === undefined,
        enumCase: undefined,
      },
    ]),
  );
}

function parameterChanges(what: string, before: Parameters, after: Parameters): string[] {
  const changes: string[] = [];
  for (const [name, old] of before) {
    const now = after.get(name);
    if (!now) changes.push(`takes the ${what} ${name} no more`);
    else if (!isSafeInput(getNullableType(old.type), getNullableType(now.type)) || old.enumCase !== now.enumCase) {
      changes.push(`takes the ${what} ${name} as ${text(now)}, and took it as ${text(old)}`);
    } else if (now.required && !old.required) changes.push(`needs the ${what} ${name}, and did not`);
  }
  for (const [name, { required }] of after) {
    if (required && !before.has(name)) changes.push(`needs the ${what} ${name}, and did not`);
  }
  return changes;
}

function text({
  type,
  enumCase,
}: {
  readonly type: GraphQLInputType;
  readonly enumCase: EnumCase | undefined;
}): string {
  return `${String(type)}${enumCase ? ` in ${enumCases[enumCase].label}` : ''}`;
}

/** The variables of a path are compared by position. */
function pathTypes(before: RestOperation, after: RestOperation): string[] {
  const [older, newer] = [before, after].map(({ paths, pathVariables }) =>
    [...(paths[0] ?? '').matchAll(/\{(\w+)\}/g)].map((match) => pathVariables.find(({ name }) => name === match[1])),
  );
  return (older ?? []).flatMap((variable, index) => {
    const now = newer?.[index];
    if (!variable || !now || isSafeInput(getNullableType(variable.type), getNullableType(now.type))) return [];
    return [`takes {${now.name}} of the path as ${String(now.type)}, and took it as ${String(variable.type)}`];
  });
}

/** The fields of an answer, by their path in the JSON; the answer itself is at "". */
type AnswerFields = ReadonlyMap<string, { readonly type: GraphQLOutputType; readonly enumCase: EnumCase | undefined }>;

function answerChanges(
  oldSchema: GraphQLSchema,
  before: RestOperation,
  newSchema: GraphQLSchema,
  after: RestOperation,
): string[] {
  const [older, newer] = [answerOf(oldSchema, before), answerOf(newSchema, after)];
  return [...older].flatMap(([path, old]) => {
    const now = newer.get(path);
    const name = path === '' ? 'it' : path;
    if (!now) {
      // The change of what it was in says enough.
      const isInside = [...older.keys()].some(
        (other) => other !== '' && path.startsWith(`${other}.`) && !newer.has(other),
      );
      return isInside ? [] : [`answers without ${path}`];
    }
    if (old.enumCase !== now.enumCase) {
      return [`answers ${name} in ${now.enumCase ? enumCases[now.enumCase].label : 'UPPER_CASE'}, and did not`];
    }
    return isSafeOutput(old.type, now.type)
      ? []
      : [`answers ${name} as ${String(now.type)}, and answered it as ${String(old.type)}`];
  });
}

function answerOf(schema: GraphQLSchema, { query, shape }: RestOperation): AnswerFields {
  const document = parse(query);
  const fragments = fragmentsOf(document);
  const answer = new Map<string, { type: GraphQLOutputType; enumCase: EnumCase | undefined }>();
  const collect = (
    selections: SelectionSetNode,
    parent: GraphQLNamedType | undefined,
    at: string,
    shapes: AnswerShape | undefined,
  ): void => {
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = isObjectType(parent) ? parent.getFields()[selection.name.value] : undefined;
        if (!field) continue;
        const key = selection.alias?.value ?? selection.name.value;
        const path = at === '' ? key : `${at}.${key}`;
        const how = shapes?.fields.get(key);
        answer.set(how?.header === undefined ? path : `the header ${how.header}`, {
          type: field.type,
          enumCase: how?.enumCase,
        });
        if (selection.selectionSet) collect(selection.selectionSet, getNamedType(field.type), path, how?.nested);
      } else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
        const condition = fragment?.typeCondition?.name.value;
        const type = condition === undefined ? parent : schema.getType(condition);
        if (fragment) collect(fragment.selectionSet, type, at, shapes);
      }
    }
  };
  const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
  const root = operation?.selectionSet.selections[0];
  if (operation && root?.kind === Kind.FIELD) {
    const field = schema.getRootType(operation.operation)?.getFields()[root.name.value];
    if (field) {
      answer.set('', { type: field.type, enumCase: undefined });
      if (root.selectionSet) collect(root.selectionSet, getNamedType(field.type), '', shape);
    }
  }
  return answer;
}

/** Whether clients that read the one type as JSON can read the other. */
function isSafeOutput(before: GraphQLOutputType, after: GraphQLOutputType): boolean {
  if (isNonNullType(after)) return isSafeOutput(isNonNullType(before) ? before.ofType : before, after.ofType);
  if (isNonNullType(before)) return false;
  if (isListType(before) || isListType(after)) {
    return isListType(before) && isListType(after) && isSafeOutput(before.ofType, after.ofType);
  }
  // Objects are compared by the fields that are selected of them.
  return isCompositeType(before) ? isCompositeType(after) : jsonKind(before) === jsonKind(after);
}

/** Whether values that clients send for the one type are valid for the other; null apart. */
function isSafeInput(before: GraphQLInputType, after: GraphQLInputType): boolean {
  if (isNonNullType(before)) return isSafeInput(before.ofType, isNonNullType(after) ? after.ofType : after);
  if (isNonNullType(after)) return false;
  if (isListType(after)) return isListType(before) ? isSafeInput(before.ofType, after.ofType) : false;
  return !isListType(before) && jsonKind(before) === jsonKind(after);
}

/** IDs are text. */
function jsonKind({ name }: GraphQLNamedType): string {
  return name === 'ID' ? 'String' : name;
}
