import type { ExecutionResult, GraphQLError, ResponsePath } from 'graphql';
import type { OperationSource } from './operation-source';

/** Values of variables, coerced. */
export type Variables = Readonly<Record<string, unknown>>;

/** A step to a value: a response name, or an index of a list. */
type Key = string | number;

/** How large a result may become. */
export interface ResultLimit {
  /** About the bytes of its JSON. */
  readonly maxResultSize: number;
  /** Called when a result is larger: makes the error that the run then fails with. */
  tooLarge(): Error;
}

/** Of a result that nobody limits. */
export const unlimited: ResultLimit = {
  maxResultSize: Infinity,
  tooLarge: () => new Error('the result is larger than anything'),
};

/** Bytes that an error adds to a result, about. */
const errorSize = 300;

/** One run of an operation: what all of its fields share. */
export class Run {
  private readonly errors: GraphQLError[] = [];
  /** Bytes of the result so far, about. */
  private size = 0;
  private readonly maxSize: number;
  /** Set once the result is too large. Every field then fails with it, so that the run ends soon. */
  over: Error | undefined;
  /** Positions that became null by an error, by the object or list that they are in. */
  private nulls: Map<ResponsePath | undefined, Set<Key>> | undefined;
  private isNull = false;

  constructor(
    readonly source: OperationSource,
    readonly root: unknown,
    readonly context: unknown,
    readonly variables: Variables,
    private readonly limit: ResultLimit,
  ) {
    this.maxSize = limit.maxResultSize;
  }

  /**
   * Counts what is added to the result.
   *
   * @throws the error of the limit where the result is larger than it may be
   */
  grow(bytes: number): void {
    this.size += bytes;
    if (this.size > this.maxSize) throw (this.over ??= this.limit.tooLarge());
  }

  /**
   * Notes the error of a position that becomes null for it. Left out where the position, or what it is in, is null already:
   * of what nobody will see, nothing is told (spec 6.4.4).
   */
  fail(error: GraphQLError, parent: ResponsePath | undefined, key: Key): void {
    if (this.isNull || this.isBelowNull(parent, key)) return;
    this.grow(errorSize);
    this.nulls ??= new Map();
    const keys = this.nulls.get(parent);
    if (keys) keys.add(key);
    else this.nulls.set(parent, new Set([key]));
    this.errors.push(error);
  }

  private isBelowNull(parent: ResponsePath | undefined, key: Key): boolean {
    if (!this.nulls) return false;
    if (this.nulls.get(parent)?.has(key)) return true;
    for (let path = parent; path; path = path.prev) if (this.nulls.get(path.prev)?.has(path.key)) return true;
    return false;
  }

  /** The result where all of the data came to nothing. */
  failWhole(error: unknown): ExecutionResult {
    if (!this.isNull) this.errors.push(error as GraphQLError);
    this.isNull = true;
    return { errors: this.errors, data: null };
  }

  /** The result. */
  finish(data: unknown): ExecutionResult {
    const result = data as Exclude<ExecutionResult['data'], undefined>;
    return this.errors.length === 0 ? { data: result } : { errors: this.errors, data: result };
  }
}
