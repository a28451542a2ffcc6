import { isObjectType, type GraphQLObjectType, type GraphQLSchema } from 'graphql';
import { accessOf, type Access, type AccessRule } from '../schema/access';
import type { CompiledField } from '../schema/compile/compile-schema';
import { isRootType, objectTypes } from '../schema/object-types';
import type { Contract } from './contract';
import { coordinatesOf } from './coordinates';
import { costRangeOf, type CostRange } from './route-cost';

/** The gateway as a table of fields and a table of routes. */
export interface GatewayMap {
  readonly fields: readonly MappedField[];
  readonly routes: readonly MappedRoute[];
}

/** A field with a source or access rules of its own. */
export interface MappedField {
  /** Such as `Query.user`. */
  readonly coordinate: string;
  readonly arguments: readonly string[];
  readonly type: string;
  /** Who may ask: `public`, `signed in`, the scopes, or `as its object` where only the object's access counts. */
  readonly access: string;
  /** `package.Service/Method` or `@resolver NAME`; null for a field that is read from a message. */
  readonly source: string | null;
  /** The RPC that stands in where the source is not implemented. */
  readonly fallback: string | null;
  /** Ms; null for what makes no call. */
  readonly deadline: number | null;
  /** Routes that select it, such as `GET /api/v1/users/me`. */
  readonly routes: readonly string[];
}

export interface MappedRoute {
  readonly method: string;
  readonly path: string;
  /** Name of the operation. */
  readonly operation: string;
  /** Who is given the whole answer. */
  readonly access: string;
  /** In the unit of `MAX_COST`. */
  readonly cost: CostRange;
  /** The coordinates that the operation depends on, sorted. */
  readonly coordinates: readonly string[];
}

export function mapOf({ schema, fields, operations }: Contract): GatewayMap {
  const routes = operations.flatMap(({ name, method, paths, query }) => {
    const coordinates = coordinatesOf(schema, query);
    const access = accessText([...coordinates].flatMap((coordinate) => accessAt(schema, coordinate)));
    const cost = costRangeOf(schema, query);
    return paths.map((path) => ({ method, path, operation: name, access, cost, coordinates: [...coordinates].sort() }));
  });
  const compiled = new Map(fields.map((field) => [field.coordinate, field]));
  const mapped = sortedTypes(schema).flatMap((type) =>
    Object.values(type.getFields()).flatMap((field): MappedField[] => {
      const coordinate = `${type.name}.${field.name}`;
      const answer: CompiledField | undefined = compiled.get(coordinate);
      const access = accessOf(field);
      if (!answer && access.length === 0) return [];
      return [
        {
          coordinate,
          arguments: field.args.map(({ name }) => name),
          type: String(field.type),
          access: access.length === 0 && !isRootType(schema, type) ? 'as its object' : accessText(access),
          source: answer?.source ?? null,
          fallback: answer?.fallback ?? null,
          deadline: answer?.timeout ?? null,
          routes: routes.filter(({ coordinates }) => coordinates.includes(coordinate)).map(routeName),
        },
      ];
    }),
  );
  return { fields: mapped, routes };
}

/** `GET /api/v1/users/me`. */
export function routeName({ method, path }: Pick<MappedRoute, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

/** The root types, then the others by name. */
function sortedTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(
    (type) => !!type,
  );
  const others = objectTypes(schema).filter((type) => !roots.includes(type));
  return [...roots, ...others.sort((a, b) => a.name.localeCompare(b.name))];
}

function accessAt(schema: GraphQLSchema, coordinate: string): Access {
  const [typeName = '', name = ''] = coordinate.split('.');
  const type = schema.getType(typeName);
  const field = isObjectType(type) ? type.getFields()[name] : undefined;
  return field ? accessOf(field) : [];
}

/** Before a permission that AuthService is asked about. */
export const policyText = 'policy ';

/** Access rules in words. All of them must hold. */
function accessText(access: Access): string {
  if (access.length === 0) return 'public';
  const scopes = new Set(access.map(ruleText).filter((text) => text !== ''));
  if (scopes.size === 0) return 'signed in';
  const texts = [...scopes];
  return texts.length === 1
    ? (texts[0] ?? '')
    : texts.map((text) => (text.includes(' ') ? `(${text})` : text)).join(' and ');
}

function ruleText({ scopes = [], policies = [], orSelf }: AccessRule): string {
  const lists = [
    ...scopes.map((all) => all.join(' + ')),
    ...policies.map((all) => `${policyText}${all.join(` + ${policyText}`)}`),
  ];
  return [...lists, ...(orSelf === undefined ? [] : ['self'])].join(' or ');
}

/** Characters. */
const longestArguments = 60;

/** Both tables as text, with aligned columns. */
export function formatMap({ fields, routes }: GatewayMap): string {
  const fieldRows = fields.map(
    ({ coordinate, arguments: args, access, source, fallback, deadline, routes: through }) => [
      `${coordinate}${argumentsText(args)}`,
      access,
      fallback === null ? (source ?? '-') : `${source ?? '-'}, else ${fallback.slice(fallback.lastIndexOf('/') + 1)}`,
      deadline === null ? '-' : formatDuration(deadline),
      through.join(', ') || '-',
    ],
  );
  const tables = [table(['FIELD', 'ACCESS', 'RPC', 'DEADLINE', 'REST'], fieldRows)];
  if (routes.length > 0) {
    const rows = routes.map(({ method, path, operation, access, cost }) => [
      method,
      path,
      operation,
      access,
      costText(cost),
    ]);
    tables.push(table(['METHOD', 'PATH', 'OPERATION', 'ACCESS', 'COST'], rows));
  }
  return tables.join('\n\n');
}

function costText({ usual, most }: CostRange): string {
  if (most === null) return `${usual}, unbounded`;
  return usual === most ? String(usual) : `${usual}, at most ${most}`;
}

/** The names of arguments, cut where they are too long for a line. */
function argumentsText(names: readonly string[]): string {
  if (names.length === 0) return '';
  const text = names.join(', ');
  return `(${text.length <= longestArguments ? text : `${text.slice(0, text.lastIndexOf(', ', longestArguments))}, ...`})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Ms as the SDL writes them. */
function formatDuration(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
