import { defaultFieldResolver, type GraphQLField, type GraphQLSchema } from 'graphql';
import { parseDuration } from '../config/duration';
import type { Findings } from '../diagnostics/findings';
import { needsOf, withoutInfo } from '../execution/resolver-needs';
import { accessOf } from './access';
import { argsOf, directiveOn } from './directive-nodes';
import { isRootType, objectTypes } from './object-types';
import type { SchemaField } from './resolver-context';

/** How often a field may be asked for, as @rateLimit says it. */
export interface FieldRateLimit {
  /** Such as `Query.me`. */
  readonly name: string;
  readonly limit: number;
  /** Whole seconds. */
  readonly window: number;
  readonly by: 'USER' | 'SESSION' | 'ADDRESS';
}

const mark = 'rateLimit';
/** Ms. */
const [shortest, longest] = [1_000, 24 * 3_600_000];

/** The limit that {@link applyRateLimits} put on a field. */
export function rateLimitOf(field: Pick<GraphQLField<unknown, unknown>, 'extensions'>): FieldRateLimit | undefined {
  return field.extensions[mark] as FieldRateLimit | undefined;
}

/**
 * Has every field with @rateLimit refused where the pipeline found that it was asked for too often. Call it when all resolvers are
 * in place, and before access is applied: who may not ask learns nothing of limits.
 */
export function applyRateLimits(schema: GraphQLSchema, findings: Findings): void {
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      const rateLimit = compileRateLimit(`${type.name}.${field.name}`, field, findings);
      if (rateLimit) guard(field, rateLimit);
    }
  }
}

function compileRateLimit(name: string, { astNode }: SchemaField, findings: Findings): FieldRateLimit | undefined {
  const directive = directiveOn(astNode, 'rateLimit');
  if (!directive) return undefined;
  const { limit, window, by = 'USER' } = argsOf(directive);
  if (typeof limit === 'number' && limit < 1) {
    findings.at(directive, `limit of @rateLimit is ${limit}`, 'It must be at least 1.');
  }
  const duration = typeof window === 'string' ? parseDuration(window) : undefined;
  const fits = duration !== undefined && duration >= shortest && duration <= longest && duration % 1000 === 0;
  if (typeof window === 'string' && !fits) {
    findings.at(
      directive,
      `window of @rateLimit is "${window}"`,
      'Give whole seconds or minutes, from 1s to 1440m, such as 10s or 1m.',
    );
  }
  return { name, limit: Number(limit), window: (duration ?? 0) / 1000, by: by as FieldRateLimit['by'] };
}

/** A subscription is refused whole before its field is subscribed to. */
function guard(field: SchemaField, rateLimit: FieldRateLimit): void {
  field.extensions = { ...field.extensions, [mark]: rateLimit };
  if (field.subscribe) return;
  const { resolve = defaultFieldResolver } = field;
  field.resolve = (source, args, context, info) =>
    context.overLimit?.get(rateLimit.name) ?? resolve(source, args, context, info);
  if (needsOf(resolve) !== undefined) withoutInfo(field.resolve);
}

/** Findings for limits that count by what is not known. Call it when access is applied. */
export function checkRateLimitKeys(schema: GraphQLSchema, findings: Findings): void {
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      const rateLimit = rateLimitOf(field);
      if (!rateLimit || rateLimit.by === 'ADDRESS') continue;
      if (!isRootType(schema, type) || accessOf(field).length > 0) continue;
      findings.at(
        directiveOn(field.astNode, 'rateLimit'),
        `@rateLimit counts by ${rateLimit.by}, and ${rateLimit.name} is for anybody: nobody need be signed in`,
        'Count by: ADDRESS, or make the field @authenticated.',
      );
    }
  }
}
