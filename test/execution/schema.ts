import {
  buildASTSchema,
  GraphQLEnumType,
  type GraphQLScalarType,
  isAbstractType,
  isListType,
  isNonNullType,
  isObjectType,
  isEnumType,
  isScalarType,
  parse,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { pathToArray } from 'graphql/jsutils/Path';
import { reading, withoutInfo } from '../../src/execution/resolver-needs';

/** Types that a field of every object has; field `f3` is of the fourth. */
export const fieldTypes: readonly string[] = [
  'String String! ID ID! Int Int! Float Boolean! Color Color! Odd Odd! Any',
  '[Int] [Int!] [String!]! [[Int]] [[ID!]!]! [Color!] [Odd]',
  'Cat Cat! Dog Bird Bird! Animal Animal! Pet Pet!',
  '[Cat] [Cat!]! [Animal] [Animal!] [Pet!]! [[Animal!]] [[Bird]]',
].flatMap((types) => types.split(' '));

const argumentsSdl = '(a: Int, b: String! = "b", c: [Color!], d: Input, e: ID, f: Boolean = false, g: Any)';

const fields = fieldTypes.map((type, index) => `f${index}${index % 3 === 0 ? '' : argumentsSdl}: ${type}`).join('\n');

const sdl = `
  enum Color { RED GREEN BLUE }
  scalar Odd
  scalar Any
  input Input { x: Int! = 1, y: [String], z: Input, color: Color = RED }
  interface Animal { ${fields} }
  type Cat implements Animal { ${fields} }
  type Dog implements Animal { ${fields} }
  type Bird implements Animal { ${fields} }
  "Is not an animal that a cat is."
  type Stone { ${fields} }
  union Pet = Cat | Dog | Bird
  type Query { ${fields} stone: Stone need(must: Int!, list: [Int!]!): String }
  type Mutation { ${fields} }
  type Subscription { ${fields} }
`;

/** What resolvers note down, in the order in which they are called. */
export interface Notes {
  readonly calls: string[];
}

/** A number that looks random, the same for the same input. */
function hash(seed: number, salt: number): number {
  let value = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3ccd);
  value = Math.imul(value ^ (value >>> 13), 0x297a2d39);
  return (value ^ (value >>> 16)) >>> 0;
}

/** An object of the data: everything in it follows from a number. */
export class Thing {
  constructor(readonly seed: number) {}
}

const kinds = ['Cat', 'Dog', 'Bird'];

const boxed = { valueOf: () => 'boxed' };

/** What a type's values may be, now and then something that does not fit. */
function plainValue(type: GraphQLOutputType, seed: number, depth: number): unknown {
  const pick = hash(seed, 1) % 24;
  if (pick === 0) return null;
  if (pick === 1) return undefined;
  if (pick === 2) return new Error(`value ${seed % 1000}`);
  if (isNonNullType(type)) return plainValue(type.ofType, hash(seed, 2), depth);
  if (isListType(type)) {
    if (pick === 3) return 'no list';
    if (pick === 4) return 17;
    const items = Array.from({ length: hash(seed, 3) % 4 }, (_, index) =>
      anyValue(type.ofType, hash(seed, 10 + index), depth + 1),
    );
    return pick === 5 ? new Set(items) : items;
  }
  if (isEnumType(type)) return ['red', 2, colorBlue, 'no color'][hash(seed, 4) % 8] ?? 'red';
  if (isScalarType(type)) {
    const values: unknown[] = ['text', '17', '', 5, -0, 2 ** 31, 1.5, Number.NaN, true, boxed, { odd: [1] }, 1n];
    return values[hash(seed, 5) % values.length];
  }
  if (pick === 3 && isObjectType(type)) return 'no object';
  return new Thing(hash(seed, 6));
}

/** The same, now and then as a promise, or thrown. */
function anyValue(type: GraphQLOutputType, seed: number, depth: number, canThrow = false): unknown {
  const pick = hash(seed, 7) % 20;
  if (pick === 0 && canThrow) throw new Error(`thrown ${seed % 1000}`);
  if (pick === 1 && canThrow) throw Object.assign(new Error(`extended ${seed % 1000}`), { extensions: { code: 'E' } });
  const value = (): unknown => plainValue(type, hash(seed, 8), depth);
  if (pick === 2) return later(seed, () => Promise.reject(new Error(`rejected ${seed % 1000}`)));
  if (pick < 8) return later(seed, value);
  if (pick === 8) {
    // What is not quite a promise counts as one.
    const promise = later(seed, value);
    // oxlint-disable-next-line unicorn/no-thenable
    return { then: (...handlers: Parameters<typeof promise.then>) => promise.then(...handlers) };
  }
  return value();
}

/** Some turns of the queue of promises later, or of the event loop. */
function later(seed: number, give: () => unknown): Promise<unknown> {
  const promise = inTime(seed).then(give);
  // Not every value is looked at, such as those of a list behind one that fails.
  promise.catch(() => {});
  return promise;
}

async function inTime(seed: number): Promise<void> {
  for (let turns = hash(seed, 9) % 4; turns > 0; turns--) await Promise.resolve();
  if (hash(seed, 11) % 12 === 0) await new Promise(setImmediate);
}

const colorBlue = { blue: true };

/** As resolvers see what they are given, as text. */
function described(args: unknown, info?: GraphQLResolveInfo): string {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each)) ?? 'undefined';
  if (!info) return text(args);
  const { fieldName, fieldNodes, returnType, parentType, path, operation, variableValues, fragments, rootValue } = info;
  return text([
    args,
    fieldName,
    fieldNodes.map(({ loc }) => loc?.start),
    String(returnType),
    parentType.name,
    pathToArray(path),
    path.typename,
    operation.operation,
    variableValues,
    Object.keys(fragments),
    (rootValue as Thing | undefined)?.seed,
  ]);
}

type Resolve = GraphQLFieldResolver<unknown, Notes, Record<string, unknown>>;

/** The value of a field of a thing. Text fields tell what their resolver was given. */
function resolved(field: GraphQLField<unknown, unknown>, source: unknown, given: string): unknown {
  const seed = hash((source as Thing | undefined)?.seed ?? 1, Number(field.name.slice(1)) || 0);
  if (String(field.type).startsWith('String') && seed % 3 > 0) return given;
  return anyValue(field.type, seed, 0, true);
}

function withNotes(name: string, notes: Notes, given: string): void {
  notes.calls.push(`${name} ${given}`);
}

/** A schema with everything in it; what its fields come to follows from the number that the root is made with. */
export function createSchema(): GraphQLSchema {
  const schema = buildASTSchema(parse(sdl));
  Object.assign(
    schema.getType('Color') as object,
    new GraphQLEnumType({
      name: 'Color',
      values: { RED: { value: 'red' }, GREEN: { value: 2 }, BLUE: { value: colorBlue } },
    }),
  );
  (schema.getType('Odd') as GraphQLScalarType).serialize = (value) => {
    if (value === 'text') return null;
    if (value === '17') return undefined;
    if (value === 5) throw new Error('five is too odd');
    return value;
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isAbstractType(type)) {
      if (type.name === 'Animal') type.resolveType = resolveType;
      else type.resolveType = reading((value: unknown) => kindOf(value));
    }
    if (!isObjectType(type)) continue;
    if (type.name === 'Bird') type.isTypeOf = isBird;
    for (const [index, field] of Object.values(type.getFields()).entries()) attach(type.name, field, index);
  }
  return schema;
}

function kindOf(value: unknown): string {
  return kinds[hash((value as Thing).seed ?? 3, 12) % kinds.length] ?? 'Cat';
}

function resolveType(value: unknown, _context: unknown, info: GraphQLResolveInfo): string | Promise<string> {
  const pick = hash((value as Thing).seed ?? 3, 13) % 40;
  if (pick === 0) throw new Error(`no type for ${described({}, info)}`);
  const odd = [undefined, 'Stone', 'Color', 'Nothing', 17, {}];
  if (pick < 1 + odd.length) return odd[pick - 1] as string;
  if (pick === 8) return Promise.reject(new Error('no type, later'));
  return pick < 16 ? Promise.resolve(kindOf(value)) : kindOf(value);
}

function isBird(value: unknown): boolean | Promise<boolean> {
  const pick = hash((value as Thing).seed ?? 3, 14) % 12;
  if (pick === 0) return false;
  if (pick === 1) throw new Error('is it a bird?');
  return pick < 5 ? Promise.resolve(pick !== 2) : true;
}

/** Each field of a type is resolved in another way, and a field of the same name in another way in the next type. */
function attach(typeName: string, field: GraphQLField<unknown, unknown>, index: number): void {
  const given = (args: unknown, info?: GraphQLResolveInfo): string => described(args, info);
  const full: Resolve = (source, args, notes, info) => {
    const text = given(args, info);
    withNotes(`${typeName}.${field.name}`, notes, text);
    // Whoever is given arguments may do with them as they like.
    args['a'] = 'changed';
    if (Array.isArray(args['c'])) args['c'].push('changed');
    return resolved(field, source, text);
  };
  const way = (index + typeName.length * 3) % 4;
  if (way === 0) field.resolve = full as never;
  else if (way === 1) {
    field.resolve = withoutInfo((source: unknown, args: Record<string, unknown>, notes: Notes) => {
      withNotes(`${typeName}.${field.name}`, notes, given(args));
      return resolved(field, source, given(args));
    }) as never;
  } else if (way === 2) {
    field.resolve = reading((source: unknown) => {
      const value = readable(resolved, field, source);
      return value;
    }) as never;
  }
  // The others are properties of things, or methods.
  Object.defineProperty(Thing.prototype, field.name, {
    configurable: true,
    get(this: Thing) {
      if (this.seed % 2 === 0) {
        return (args: unknown, notes: Notes, info: GraphQLResolveInfo) => resolvedBy(this, field, args, notes, info);
      }
      return resolved(field, this, 'property');
    },
  });
}

function resolvedBy(
  thing: Thing,
  field: GraphQLField<unknown, unknown>,
  args: unknown,
  notes: Notes,
  info: GraphQLResolveInfo,
): unknown {
  const text = described(args, info);
  withNotes(`method ${field.name}`, notes, text);
  return resolved(field, thing, text);
}

/** A reader gives no promise: what would be one is null. */
function readable(resolve: typeof resolved, field: GraphQLField<unknown, unknown>, source: unknown): unknown {
  const value = resolve(field, source, 'read');
  if (typeof (value as PromiseLike<unknown> | null)?.then !== 'function') return value;
  (value as PromiseLike<unknown>).then(undefined, () => {});
  return null;
}
