import type { GraphQLObjectType } from 'graphql';

/** An object of a result: the response names of its fields, in the order of the selection, and nothing inherited. */
export type ResultObject = Record<string, unknown>;

export type ResultClass = new () => ResultObject;

/**
 * A class of objects that inherit nothing. `Object.create(null)` would do, but V8 keeps such objects as hash tables: they take
 * three times as long to fill, and half as long again to write as JSON.
 */
function newResultClass(): ResultClass {
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

/** As graphql-js has it: the same object once all promises in it have come to a value; the first failure where one fails. */
export async function settledObject(result: ResultObject): Promise<ResultObject> {
  const keys: string[] = [];
  const promises: unknown[] = [];
  for (const key in result) {
    if (result[key] instanceof Promise) {
      keys.push(key);
      promises.push(result[key]);
    }
  }
  const values = await Promise.all(promises);
  for (const [index, key] of keys.entries()) result[key] = values[index];
  return result;
}
