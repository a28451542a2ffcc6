import {
  getNamedType,
  getNullableType,
  isListType,
  isObjectType,
  type GraphQLArgument,
  type GraphQLNamedType,
  type GraphQLObjectType,
} from 'graphql';
import { Type, type Field } from 'protobufjs';
import type { Findings } from '../../diagnostics/findings';
import { GatewayError } from '../../errors';
import { reading } from '../../execution/resolver-needs';
import { typed } from '../../proto/conversion';
import { findField, fullName, jsonName, type DecodedMessage } from '../../proto/proto-model';
import { bareType, unwrapped, wrapped } from '../../proto/wrappers';
import { fieldName, noteUsage } from '../proto-usage';
import type { Args, SchemaField } from '../resolver-context';
import { fieldsAre } from '../services';
import { decodeCursor, firstPage, Page, pageInfoOf, pageSize, type Position } from './page';

/** How a field's list is paged. */
export interface Paging {
  /** Adds page size and token to a request; returns where the page begins. */
  readonly request: (fields: Record<string, unknown>, args: Args) => Position;
  readonly page: (response: DecodedMessage, position: Position, first: number | undefined) => Page;
  /** The repeated field that holds the items. */
  readonly items: Field;
}

const pageSizeNames = ['pageSize', 'maxResults', 'limit'];
const totalNames = ['totalSize', 'totalCount', 'total'];

/** The arguments that page a connection, with the types that they may have. */
const pagingArguments: readonly (readonly [name: string, types: readonly string[]])[] = [
  ['first', ['Int', 'Int!']],
  ['after', ['String', 'ID']],
];
export const pagingNames: ReadonlySet<string> = new Set(pagingArguments.map(([name]) => name));

/** The types that the fields of a page may have: the next page's token is null on the last page. */
const pageFields: Readonly<Record<string, readonly string[]>> = {
  pageInfo: ['PageInfo!', 'PageInfo'],
  nextPageToken: ['String', 'ID'],
  cursor: ['String!', 'String', 'ID!', 'ID'],
};

/**
 * Compiles how an RPC with the paging convention of AIP-158 is paged: it has a page size and a page token in the request,
 * items and a next page token in the response.
 *
 * @returns undefined, with findings, where the RPC does not follow the convention
 */
export function compilePaging(
  field: SchemaField,
  request: Type,
  response: Type,
  options: { readonly items?: string; readonly max: number },
  findings: Findings,
): Paging | undefined {
  const sizeField = pageSizeNames
    .map((name) => scalarField(request, name, /int/i))
    .find((found) => found !== undefined);
  const pageToken = scalarField(request, 'pageToken', /string/i);
  const next = scalarField(response, 'nextPageToken', /string/i);
  const items = itemsField(response, options.items);
  if (!sizeField || !pageToken || !next || !items) {
    const missing = [
      !sizeField && `${fullName(request)}.page_size`,
      !pageToken && `${fullName(request)}.page_token`,
      !next && `${fullName(response)}.next_page_token`,
      !items && `the one repeated message field of ${fullName(response)} (say items: of @connection)`,
    ].filter(Boolean);
    findings.at(
      field.astNode,
      `${field.name} is a connection, but its RPC is not paged: ${missing.join(', ')} is missing`,
      'Use an RPC that is paged, or a type whose name does not end in Connection.',
    );
    return undefined;
  }
  noteUsage(field, ...[sizeField, pageToken, next, items].map(fieldName));
  for (const [name, types] of pagingArguments) {
    const argument = field.args.find((each) => each.name === name);
    if (!argument) {
      findings.at(
        field.astNode,
        `the connection ${field.name} needs the argument ${name}`,
        'Add first: Int = 25, after: String.',
      );
    } else {
      noteUsage(argument, fieldName(name === 'first' ? sizeField : pageToken));
      if (name === 'first') argument.extensions = { ...argument.extensions, [maxItemsMark]: options.max };
      checkType(argument, `the argument ${name} of the connection ${field.name}`, types, findings);
    }
  }
  const { max } = options;
  return {
    items,
    request(fields, args) {
      const first = pageSizeOf(args['first'], max);
      const { after } = args;
      const position = typeof after === 'string' && after !== '' ? decodeCursor(after) : firstPage;
      fields[sizeField.name] = wrapped(sizeField, Math.min(first + position.offset, max));
      if (position.token !== '') fields[pageToken.name] = wrapped(pageToken, position.token);
      return position;
    },
    page(message, { token, offset }, first) {
      const all = message[items.name] as readonly DecodedMessage[];
      const end = offset + pageSizeOf(first, max);
      const nextToken = unwrapped(next, message[next.name]) as string | undefined;
      return new Page(message, all.slice(offset, end), token, offset, nextToken ?? '', all.length > end);
    },
  };
}

const maxItemsMark = 'maxItems';

/** How many items a page has at most, for an argument that says how many are wanted. */
export function maxItemsOf({ extensions }: Pick<GraphQLArgument, 'extensions'>): number | undefined {
  return extensions[maxItemsMark] as number | undefined;
}

function pageSizeOf(first: unknown, max: number): number {
  if (typeof first === 'number' && first < 1) {
    throw new GatewayError('BAD_USER_INPUT', 'first must be at least 1.', {
      fieldViolations: [{ field: 'first', description: 'must be at least 1' }],
    });
  }
  return pageSize(first, max);
}

/** A field of a kind, bare or wrapped. */
function scalarField(message: Type, name: string, kind: RegExp): Field | undefined {
  const field = findField(message, name);
  const type = field && !field.repeated ? bareType(field) : undefined;
  return type !== undefined && kind.test(type) ? field : undefined;
}

function itemsField(response: Type, name: string | undefined): Field | undefined {
  const found = name === undefined ? undefined : findField(response, name);
  const candidates = found ? [found] : response.fieldsArray.filter((field) => field.repeated);
  const messages = candidates.filter((field) => field.repeated && field.resolvedType instanceof Type);
  return (name === undefined || found) && messages.length === 1 ? messages[0] : undefined;
}

interface EdgeSource {
  readonly page: Page;
  readonly index: number;
}

/** Marks a field that a page or an edge answers. */
const pagingMark = 'paging';

/** True for a field that a page or an edge answers. */
export function isPagingField(field: SchemaField): boolean {
  return field.extensions[pagingMark] === true;
}

function answer(field: SchemaField, resolve: (source: never) => unknown): void {
  field.extensions = { ...field.extensions, [pagingMark]: true };
  field.resolve = reading(typed(resolve));
}

/**
 * Puts the resolvers on a connection type and its edge type.
 *
 * @param compileField - Compiles how a field of the response is read.
 * @returns the type of the nodes, where the connection has the shape that it must have
 */
export function compileConnectionType(
  connection: GraphQLObjectType,
  response: Type,
  compileField: (field: SchemaField, source: Field) => (message: DecodedMessage) => unknown,
  findings: Findings,
): GraphQLObjectType | undefined {
  const { edges, nodes, pageInfo, totalCount, nextPageToken } = connection.getFields() as Record<string, SchemaField>;
  for (const [name, element] of Object.entries({ pageInfo, nextPageToken })) {
    if (element) checkType(element, `${connection.name}.${name}`, pageFields[name] ?? [], findings);
  }
  const next = findField(response, 'nextPageToken');
  if (next) for (const element of [pageInfo, nextPageToken]) if (element) noteUsage(element, fieldName(next));
  let node: unknown = nodes && getNamedType(nodes.type);
  if (edges) {
    const ofEdge = compileEdges(connection, edges, findings);
    node ??= ofEdge;
  }
  if (nodes) {
    checkList(nodes, connection, findings);
    answer(nodes, (page: Page) => page.items);
  }
  if (pageInfo) answer(pageInfo, pageInfoOf);
  if (nextPageToken) answer(nextPageToken, (page: Page) => page.nextPageToken);
  if (totalCount) {
    const total = totalNames.map((name) => findField(response, name)).find((found) => found !== undefined);
    if (total) {
      noteUsage(totalCount, fieldName(total));
      const read = compileField(totalCount, total);
      answer(totalCount, (page: Page) => read(page.response));
    } else {
      findings.at(
        totalCount.astNode,
        `${connection.name}.totalCount: ${fullName(response)} has none of ${totalNames.join(', ')}`,
        `Remove the field. ${fieldsAre(response.fieldsArray.map(jsonName))}`,
      );
      answer(totalCount, () => null);
    }
  }
  return isObjectType(node) ? node : undefined;
}

/** @returns the type of the edges' nodes */
function compileEdges(
  connection: GraphQLObjectType,
  edges: SchemaField,
  findings: Findings,
): GraphQLNamedType | undefined {
  const edge = getNamedType(edges.type);
  const { node, cursor } = (isObjectType(edge) ? edge.getFields() : {}) as Record<string, SchemaField>;
  if (node && cursor) {
    checkType(cursor, `${String(edge)}.cursor`, pageFields['cursor'] ?? [], findings);
  } else {
    findings.at(edges.astNode, `${String(edges.type)} is not an edge`, 'An edge has node and cursor: String!.');
  }
  checkList(edges, connection, findings);
  answer(edges, (page: Page) => page.items.map((_, index): EdgeSource => ({ page, index })));
  if (node) answer(node, ({ page, index }: EdgeSource) => page.items[index]);
  if (cursor) answer(cursor, ({ page, index }: EdgeSource) => page.cursor(index));
  return node && getNamedType(node.type);
}

function checkType(
  element: Pick<SchemaField, 'type' | 'astNode'> | GraphQLArgument,
  name: string,
  types: readonly string[],
  findings: Findings,
): void {
  if (types.includes(String(element.type))) return;
  findings.at(element.astNode, `${name} is ${String(element.type)}`, `It must be ${types.join(' or ')}.`);
}

function checkList(field: SchemaField, connection: GraphQLObjectType, findings: Findings): void {
  if (isListType(getNullableType(field.type))) return;
  findings.at(
    field.astNode,
    `${connection.name}.${field.name} is ${String(field.type)}, and holds the items of a page`,
    `Make it [${getNamedType(field.type).name}!]!.`,
  );
}
