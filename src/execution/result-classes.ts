import type { GraphQLObjectType } from 'graphql';

/** An object of a result: the response names of its fields, in the order of the selection, and nothing inherited. */
export type ResultObject = Record<string, unknown>;

export type ResultClass = new () => ResultObject;

/**
 * A class of objects that inherit nothing. `Object.create(null)` would do, but V8 keeps such objects as hash tables: they take
 * three times as long to fill, and half as long again to write as JSON.
 */
function newResultClass(): ResultClass {
  // A function is no constructor to the compiler.
  const Result = function Result() {} as unknown as ResultClass;
  Result.prototype = Object.create(null) as object;
  return Result;
}

/**
 * Classes by the type that their objects are of. V8 keeps the layouts of a class in a tree that holds so many at most: the
 * aliases that clients think up for fields of one type do not slow down the others.
 */
export class ResultClasses {
  private readonly classes = new Map<GraphQLObjectType, ResultClass>();

  of(type: GraphQLObjectType): ResultClass {
    const known = this.classes.get(type);
    if (known) return known;
    const made = newResultClass();
    this.classes.set(type, made);
    return made;
  }
}

/**
 * The same object once what is under way in it has come to a value; the first failure where something fails.
 *
 * @param keys - Where there are promises.
 */
export function settledObject(result: ResultObject, keys: readonly string[]): Promise<ResultObject> {
  return Promise.all(keys.map((key) => result[key])).then((values) => {
    for (let index = 0; index < keys.length; index++) result[keys[index]!] = values[index];
    return result;
  });
}
