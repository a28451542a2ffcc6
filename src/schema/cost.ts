import {
  getNamedType,
  getNullableType,
  isLeafType,
  isListType,
  isObjectType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import { collectedBy } from './compile/collected';
import { pageSize } from './compile/page';
import { argsOf, directiveArgs, directiveOn } from './directive-nodes';
import { isConnection, objectTypes } from './object-types';
import type { Args, SchemaField } from './resolver-context';

/**
 * What a field costs, by the directives of the cost specification. A unit is about what reading one field off a message costs.
 *
 * @see https://ibm.github.io/graphql-specs/cost-spec.html
 */
export interface FieldCost {
  /** Each time that the field is executed. */
  readonly weight: number;
  /** Keys that one call looks up for many executions of the field; left out where each makes its own call, or none. */
  readonly batch?: number;
  /** Of arguments that a document gives, beside the weight of the field. */
  readonly argumentWeights?: ReadonlyMap<string, number>;
  /** How many items the field's list has, or the lists in its object that are named. */
  readonly size?: ListSize;
}

/** How many items lists are taken to have. */
export interface ListSize {
  /** By the arguments of the field, coerced. */
  readonly of: (args: Args) => number;
  /** Names of arguments that {@link of} reads. */
  readonly slicing: readonly string[];
  /** Fields of the object whose lists have this size; left out for the field's own list. */
  readonly sizedFields?: ReadonlySet<string>;
}

/** Of one RPC. */
export const callWeight = 10;
/** Items of a list that nothing is said of. */
export const assumedSize = 10;

const mark = 'cost';
const plain: FieldCost = { weight: 1 };

/** What {@link applyCost} found out about a field. */
export function costOf(field: Pick<GraphQLField<unknown, unknown>, 'extensions'>): FieldCost {
  return (field.extensions[mark] as FieldCost | undefined) ?? plain;
}

/** Works out what every field costs. Call it when all fields are compiled. */
export function applyCost(schema: GraphQLSchema, findings: Findings): void {
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      const cost = compileCost(field, findings);
      if (cost !== plain) field.extensions = { ...field.extensions, [mark]: cost };
    }
  }
}

function compileCost(field: SchemaField, findings: Findings): FieldCost {
  const batch = batchOf(field);
  const size = sizeOf(field, findings);
  const own = weightOn(field, findings) ?? weightOn(getNamedType(field.type), findings);
  const callsEachTime = batch === undefined && ['grpc', 'join'].some((name) => directiveOn(field.astNode, name));
  const weight = own ?? (callsEachTime ? callWeight : 1);
  const weights = field.args.flatMap((argument) => {
    const found = weightOn(argument, findings);
    return found === undefined ? [] : [[argument.name, found] as const];
  });
  if (weight === 1 && batch === undefined && !size && weights.length === 0) return plain;
  return {
    weight,
    ...(batch === undefined ? {} : { batch }),
    ...(size ? { size } : {}),
    ...(weights.length === 0 ? {} : { argumentWeights: new Map(weights) }),
  };
}

/** The weight that @cost gives. */
function weightOn(
  { astNode }: { readonly astNode?: Parameters<typeof directiveOn>[0] },
  findings: Findings,
): number | undefined {
  const directive = directiveOn(astNode, 'cost');
  if (!directive) return undefined;
  const { weight } = argsOf(directive);
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(String(weight)) ? Number(weight) : undefined;
  if (value === undefined) {
    findings.at(
      directive,
      `weight: "${String(weight)}" is not a cost`,
      'Give a number from 0 to 999999 as a string, such as "50".',
    );
  }
  return value;
}

/** How many keys one call of a look-up takes; undefined for a field that calls for each of its objects, or not at all. */
function batchOf(field: SchemaField): number | undefined {
  const join = directiveArgs(field.astNode, 'join');
  if (!join) return undefined;
  if (join['rpc'] !== undefined) return Number(join['max'] ?? 100);
  const target = getNamedType(field.type);
  const lookup = isObjectType(target) ? lookupOf(target) : undefined;
  return !lookup || lookup['key'] !== undefined ? undefined : Number(lookup['max'] ?? 100);
}

function lookupOf({ astNode, extensionASTNodes }: GraphQLObjectType): Readonly<Record<string, unknown>> | undefined {
  for (const node of [astNode, ...extensionASTNodes]) {
    const found = directiveArgs(node, 'lookup');
    if (found) return found;
  }
  return undefined;
}

function sizeOf(field: SchemaField, findings: Findings): ListSize | undefined {
  const type = getNullableType(field.type);
  const declared = directiveOn(field.astNode, 'listSize');
  const named = getNamedType(type);
  if (declared) return declaredSize(field, argsOf(declared), findings);
  if (isConnection(named) && directiveOn(field.astNode, 'grpc')) {
    const max = Number(directiveArgs(field.astNode, 'connection')?.['max'] ?? 100);
    return {
      of: ({ first }) => pageSize(first, max),
      slicing: ['first'],
      sizedFields: new Set(['edges', 'nodes']),
    };
  }
  const collected = collectedBy(field);
  return collected === undefined ? undefined : { of: () => collected, slicing: [] };
}

/** What @listSize says. */
function declaredSize(
  field: SchemaField,
  args: Readonly<Record<string, unknown>>,
  findings: Findings,
): ListSize | undefined {
  const directive = directiveOn(field.astNode, 'listSize');
  const assumed = args['assumedSize'];
  const slicing = [args['slicingArguments'] ?? []].flat() as string[];
  const sized = [args['sizedFields'] ?? []].flat() as string[];
  const isList = isListType(getNullableType(field.type));
  if (assumed === undefined && slicing.length === 0) {
    findings.at(directive, '@listSize says no size', 'Give assumedSize: or slicingArguments:.');
  }
  if (typeof assumed === 'number' && assumed < 0) {
    findings.at(directive, `assumedSize of @listSize is ${assumed}`, 'It must be at least 0.');
  }
  for (const name of slicing) {
    const argument = field.args.find((each) => each.name === name);
    if (argument && String(getNullableType(argument.type)) === 'Int') continue;
    findings.at(
      directive,
      argument
        ? `slicingArguments: ${name} is ${String(argument.type)}, not Int`
        : `${field.name} has no argument "${name}"`,
      didYouMean(
        name,
        field.args.map((each) => each.name),
      ),
    );
  }
  const named = getNamedType(field.type);
  const fields = 'getFields' in named ? named.getFields() : {};
  for (const name of sized) {
    const member = fields[name];
    if (member && 'resolve' in member && isListType(getNullableType(member.type))) continue;
    findings.at(directive, `sizedFields: ${named.name} has no list "${name}"`, didYouMean(name, Object.keys(fields)));
  }
  if (!isList && sized.length === 0) {
    findings.at(directive, `${field.name} is no list`, 'Name the lists in it with sizedFields:, or remove @listSize.');
  }
  const otherwise = typeof assumed === 'number' ? assumed : assumedSize;
  return {
    of(given) {
      const sizes = slicing.map((name) => given[name]).filter((value) => typeof value === 'number');
      return sizes.length === 0 ? otherwise : Math.max(0, ...sizes);
    },
    slicing,
    ...(sized.length === 0 ? {} : { sizedFields: new Set(sized) }),
  };
}

/** Lists of objects whose size nothing bounds and nothing is said of. */
export function unboundedLists(schema: GraphQLSchema): { readonly coordinate: string; readonly field: SchemaField }[] {
  const fields = objectTypes(schema).flatMap((type) =>
    (Object.values(type.getFields()) as SchemaField[]).map((field) => ({
      coordinate: `${type.name}.${field.name}`,
      field,
    })),
  );
  const sized = new Set(
    fields.flatMap(({ field }) =>
      [...(costOf(field).size?.sizedFields ?? [])].map((name) => `${getNamedType(field.type).name}.${name}`),
    ),
  );
  return fields.filter(({ coordinate, field }) => {
    const isObjects = isListType(getNullableType(field.type)) && !isLeafType(getNamedType(field.type));
    return isObjects && !costOf(field).size && !sized.has(coordinate);
  });
}
