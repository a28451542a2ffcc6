import { Type, type Field, type Method } from 'protobufjs';
import { isMap } from '../proto/maps';
import { canBeUnset, findField, jsonName } from '../proto/proto-model';
import { isObject } from './fields';
import { lowerCamelCase } from './names';
import { requestOf, responseOf } from './rpcs';
import type { SdlArgument, SdlDirective, SdlField } from './sdl';
import { answeredFields, type TypeWriter } from './types';

/** A list that is read a page at a time. */
export interface PagedList {
  readonly method: Method;
  readonly items: Field;
  readonly total: Field | undefined;
  readonly next: Field;
  /** The fields of the request that paging fills. */
  readonly fields: ReadonlySet<Field>;
  readonly directives: readonly SdlDirective[];
}

export const pagingArguments: readonly SdlArgument[] = [
  { name: 'first', type: 'Int', default: '25' },
  { name: 'after', type: 'String' },
];

/**
 * Finds the paging convention in an RPC.
 *
 * @see https://google.aip.dev/158
 */
export function pagedList(method: Method): PagedList | undefined {
  const [request, response] = [requestOf(method), responseOf(method)];
  const first = (type: Type, names: readonly string[], kind: RegExp): Field | undefined =>
    names
      .map((name) => findField(type, name))
      .find((field) => field && !field.repeated && !isMap(field) && kind.test(field.type));
  const size = first(request, ['pageSize', 'maxResults', 'limit'], /^u?int32$/);
  const token = first(request, ['pageToken'], /^string$/);
  const next = first(response, ['nextPageToken'], /^string$/);
  // The same fields that the schema compiler counts.
  const lists = response.fieldsArray.filter((field) => field.repeated && field.resolvedType instanceof Type);
  const noun = lowerCamelCase(method.name.replace(/^(List|Search)/, ''));
  const items = lists.find((field) => jsonName(field) === noun) ?? lists[0];
  if (!size || !token || !next || !items || !isObject(items.resolvedType as Type)) return undefined;
  return {
    method,
    items,
    next,
    total: first(response, ['totalSize', 'totalCount', 'total'], /^u?int(32|64)$|Int(32|64)Value$/),
    fields: new Set([size, token]),
    directives: lists.length > 1 ? [{ name: 'connection', args: { items: jsonName(items) } }] : [],
  };
}

/** Writes the connection types of a file: one per response that holds a page, and an edge type per item type. */
export class ConnectionWriter {
  private readonly connections = new Map<Type, string>();
  private readonly edges = new Map<Type, string>();

  constructor(private readonly types: TypeWriter) {}

  /** The name of the connection type of a list. */
  nameOf({ method, items, total, next }: PagedList): string {
    const response = responseOf(method);
    const known = this.connections.get(response);
    if (known !== undefined) return known;
    const { types } = this;
    const item = types.object(items.resolvedType as Type);
    const stems = [item, method.name.replace(/^List(?=.)/, '')];
    const { name, comments } = types.take(stems, response, 'Connection');
    this.connections.set(response, name);
    const paging = ['edges', 'nodes', 'pageInfo', 'totalCount', 'nextPageToken'];
    const more = answeredFields(response).filter(
      ({ field, name: own }) => ![items, next, total].includes(field) && !paging.includes(own),
    );
    const members: SdlField[] = [];
    types.add({ head: `type ${name}`, comments, members });
    members.push(
      { name: 'edges', type: `[${this.edge(items.resolvedType as Type, item)}!]!` },
      { name: 'nodes', type: `[${item}!]!`, description: 'The items of the edges.' },
      { name: 'pageInfo', type: 'PageInfo!' },
      ...(total
        ? [{ name: 'totalCount', type: canBeUnset(total) ? 'Int' : 'Int!', description: 'How many there are in all.' }]
        : []),
      ...types.objectFields(more),
    );
    return name;
  }

  private edge(message: Type, item: string): string {
    const known = this.edges.get(message);
    if (known !== undefined) return known;
    const { name, comments } = this.types.take([item], message, 'Edge');
    this.edges.set(message, name);
    this.types.add({
      head: `type ${name}`,
      comments,
      members: [
        { name: 'node', type: `${item}!` },
        { name: 'cursor', type: 'String!' },
      ],
    });
    return name;
  }
}
