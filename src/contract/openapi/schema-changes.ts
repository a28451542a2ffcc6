import { isDeepStrictEqual } from 'node:util';
import { DocumentError } from './references';
import type { SchemaView } from './schema-view';

/** A difference between two versions of something. */
export interface Change {
  /** What it does to clients: `breaking` breaks them, `warning` may surprise them, `added` gives them more. */
  readonly kind: 'breaking' | 'warning' | 'added';
  /** Where in the value, such as `.users[].email`; empty for the value itself. */
  readonly at: string;
  /** What has become of it; empty where it is new. */
  readonly message: string;
}

/** Which way values go: `request` where clients write them, `answer` where clients read them. */
export type Direction = 'request' | 'answer';

/** How deep schemas may hold others. */
const maxDepth = 200;
/** Pairs of schemas that are compared, and changes that are found, at most. */
const maxWork = 100_000;

/** Compares the schemas of two documents, in one direction. */
export class SchemaComparison {
  /** By the ids of both views. Empty while a pair is being compared: schemas may hold themselves. */
  private readonly known = new Map<string, readonly Change[]>();
  private depth = 0;
  private count = 0;

  constructor(private readonly direction: Direction) {}

  /**
   * What changes for clients that were made for the older schema.
   *
   * @throws DocumentError for schemas that are too large or too deep
   */
  compare(before: SchemaView, after: SchemaView): readonly Change[] {
    const key = `${before.id} ${after.id}`;
    const known = this.known.get(key);
    if (known) return known;
    if (this.depth > maxDepth) throw new DocumentError(`schemas hold each other more than ${maxDepth} levels deep`);
    this.known.set(key, []);
    this.depth += 1;
    const changes = [...this.nullability(before, after), ...this.choices(before, after)];
    this.depth -= 1;
    this.known.set(key, changes);
    this.count += 1 + changes.length;
    if (this.count > maxWork) throw new DocumentError('the schemas are too large to be compared');
    return changes;
  }

  private get isAnswer(): boolean {
    return this.direction === 'answer';
  }

  /** Of two versions, the one that values are written by, and the one that they are read by. */
  private order<T>(before: T, after: T): readonly [written: T, read: T] {
    return this.isAnswer ? [after, before] : [before, after];
  }

  private nullability(before: SchemaView, after: SchemaView): Change[] {
    const [written, read] = this.order(before, after);
    if (read.isNullable || !written.isNullable) return [];
    // That a value may be anything is reported with its type.
    if (!written.types && written.choices.length === 1) return [];
    return [broken(this.isAnswer ? 'may be null, and was not' : 'may no longer be null')];
  }

  private choices(before: SchemaView, after: SchemaView): readonly Change[] {
    const [written, read] = this.order(before.choices, after.choices);
    if (written.length === 1 && read.length === 1) return this.single(before.choices[0]!, after.choices[0]!);
    const taken = new Set<SchemaView>();
    const changes = written.flatMap((each) => {
      const counterparts = read
        .map((other) => ({ other, changes: this.single(...this.order(each, other)) }))
        .sort((a, b) => weight(a.changes) - weight(b.changes));
      const best = counterparts.find(({ other }) => isSameKind(each, other));
      const fitting = counterparts.find((one) => !one.changes.some(({ kind }) => kind === 'breaking')) ?? best;
      if (fitting) {
        taken.add(fitting.other);
        return fitting.changes;
      }
      if (!this.isAnswer) return broken(`may no longer be ${text(each)}`);
      // Clients that tell several apart may meet one more, as they may meet one more value of an enum.
      return (read.length > 1 ? warning : broken)(`may be ${text(each)}, which is new`);
    });
    const isMore = !this.isAnswer && read.some((each) => !taken.has(each));
    return [...changes, ...(isMore ? [added('', 'more values')] : [])];
  }

  /** Changes between schemas without choices. */
  private single(before: SchemaView, after: SchemaView): readonly Change[] {
    const [written, read] = this.order(before, after);
    if (!isTypeWithin(written, read)) {
      return [
        broken(
          this.isAnswer
            ? `is ${text(after)}, and was ${text(before)}`
            : `is accepted as ${text(after)}, and was accepted as ${text(before)}`,
        ),
      ];
    }
    return [
      ...this.values(before, after),
      ...this.bounds(before, after),
      ...this.notCompared(before, after),
      ...this.properties(before, after),
      ...this.items(before, after),
    ];
  }

  private values({ values: before }: SchemaView, { values: after }: SchemaView): Change[] {
    const [written, read] = this.order(before, after);
    if (!read) return before && !this.isAnswer ? [added('', 'more values')] : [];
    const list = read.map(shown).join(', ');
    if (!written) return [broken(this.isAnswer ? `may be anything, and was one of ${list}` : `must be one of ${list}`)];
    const isIn = (some: readonly unknown[], value: unknown): boolean =>
      some.some((each) => isDeepStrictEqual(each, value));
    const unknown = written.filter((value) => !isIn(read, value)).map(shown);
    const isMore = !this.isAnswer && read.some((value) => !isIn(written, value));
    return [
      ...(unknown.length === 0
        ? []
        : this.isAnswer
          ? [warning(`may be ${unknown.join(', ')}, which is new`)]
          : [broken(`may no longer be ${unknown.join(', ')}`)]),
      ...(isMore ? [added('', 'more values')] : []),
    ];
  }

  /** Only of requests: readers of answers do not depend on bounds. */
  private bounds(before: SchemaView, after: SchemaView): Change[] {
    if (this.isAnswer) return [];
    return Object.entries(bounds).flatMap(([name, isTighter]) => {
      const [older, newer] = [before.keyword(name), after.keyword(name)];
      if (newer === undefined || newer === false || isDeepStrictEqual(older, newer)) return [];
      const isComparable = typeof newer === 'number' && (older === undefined || typeof older === 'number');
      if (isComparable && older !== undefined && !isTighter(newer, older)) return [];
      const had = older === undefined ? 'had none' : `had ${shown(older)}`;
      return [broken(`has the ${name} ${shown(newer)}, and ${had}`)];
    });
  }

  private notCompared(before: SchemaView, after: SchemaView): Change[] {
    return ignoredKeywords
      .filter((name) => !isDeepStrictEqual(before.keyword(name), after.keyword(name)))
      .map((name) => warning(`has another "${name}", which is not compared`));
  }

  private properties(before: SchemaView, after: SchemaView): Change[] {
    const changes = this.presence(before, after);
    for (const [name, older] of before.properties) {
      const newer = after.properties.get(name);
      const at = `.${name}`;
      if (newer) changes.push(...within(at, this.compare(older, newer)));
      else if (this.isAnswer) changes.push(broken('is gone', at));
      else if (after.additionalProperties === false) changes.push(broken('is no longer accepted', at));
      else if (after.additionalProperties) changes.push(...within(at, this.compare(older, after.additionalProperties)));
      else changes.push(warning('is no longer described, and may be ignored', at));
    }
    for (const name of after.properties.keys()) {
      const isNeeded = !this.isAnswer && after.required.has(name);
      if (!before.properties.has(name) && !isNeeded) changes.push(added(`.${name}`));
    }
    return [...changes, ...this.additionalProperties(before, after)];
  }

  /** The properties that the reading side requires and the writing side does not. */
  private presence(before: SchemaView, after: SchemaView): Change[] {
    const [written, read] = this.order(before, after);
    const missing = [...read.required].filter((name) => !written.required.has(name));
    const reported = this.isAnswer
      ? missing.filter((name) => after.properties.has(name) || !before.properties.has(name))
      : missing;
    const message = this.isAnswer ? 'may be left out, and was not' : 'is required, and was not';
    return reported.map((name) => broken(message, `.${name}`));
  }

  private additionalProperties(
    { additionalProperties: before }: SchemaView,
    { additionalProperties: after, properties }: SchemaView,
  ): Change[] {
    if (before && after) return within('.*', this.compare(before, after));
    if (this.isAnswer) return before && properties.size === 0 ? [broken('is gone', '.*')] : [];
    return before !== false && after === false ? [broken('no longer accepts other members')] : [];
  }

  private items({ items: before }: SchemaView, { items: after }: SchemaView): readonly Change[] {
    if (before && after) return within('[]', this.compare(before, after));
    const [written, read] = this.order(before, after);
    return read && !written
      ? [broken(this.isAnswer ? 'may be anything, and was not' : 'may no longer be anything', '[]')]
      : [];
  }
}

type Tighter = (newer: number, older: number) => boolean;
const isLess: Tighter = (newer, older) => newer < older;
const isMoreThan: Tighter = (newer, older) => newer > older;

/** Keywords that bound a value, each with when it has become tighter. */
const bounds: Readonly<Record<string, Tighter>> = {
  maxLength: isLess,
  maximum: isLess,
  exclusiveMaximum: isLess,
  maxItems: isLess,
  maxProperties: isLess,
  minLength: isMoreThan,
  minimum: isMoreThan,
  exclusiveMinimum: isMoreThan,
  minItems: isMoreThan,
  minProperties: isMoreThan,
  multipleOf: (newer, older) => older % newer !== 0,
  uniqueItems: () => true,
};

/** Other keywords that say which values fit. */
const ignoredKeywords = [
  'not',
  'if',
  'then',
  'else',
  'contains',
  'minContains',
  'maxContains',
  'prefixItems',
  'patternProperties',
  'propertyNames',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedItems',
  'unevaluatedProperties',
  '$dynamicRef',
];

function broken(message: string, at = ''): Change {
  return { kind: 'breaking', at, message };
}

function warning(message: string, at = ''): Change {
  return { kind: 'warning', at, message };
}

function added(at: string, message = ''): Change {
  return { kind: 'added', at, message };
}

function within(at: string, changes: readonly Change[]): Change[] {
  return changes.map((change) => ({ ...change, at: `${at}${change.at}` }));
}

/** The fewer breaking changes, the more alike two schemas are. */
function weight(changes: readonly Change[]): number {
  const breaking = changes.filter(({ kind }) => kind === 'breaking').length;
  return breaking * maxWork + changes.length;
}

/** Whether one choice is what has become of the other: of the same types, and marked by the same constants. */
function isSameKind(one: SchemaView, other: SchemaView): boolean {
  const types = (view: SchemaView): string => [...(view.types ?? [])].sort().join(' ');
  if (types(one) !== types(other)) return false;
  return [...one.properties].every(([name, { values }]) => {
    const others = other.properties.get(name)?.values;
    return values?.length !== 1 || others?.length !== 1 || isDeepStrictEqual(values, others);
  });
}

/** Formats, each with the wider one that holds all of its values. */
const wider: Readonly<Record<string, string>> = { int32: 'int64', float: 'double' };

/** Whether what fits one schema has a type, a format and a pattern of the other. */
function isTypeWithin(inner: SchemaView, outer: SchemaView): boolean {
  if (outer.types) {
    const { types } = outer;
    if (!inner.types) return false;
    if (![...inner.types].every((type) => types.has(type) || (type === 'integer' && types.has('number')))) return false;
  }
  const [format, outerFormat] = [inner.keyword('format'), outer.keyword('format')];
  const isFormat = outerFormat === undefined || format === outerFormat || wider[String(format)] === outerFormat;
  const pattern = outer.keyword('pattern');
  return isFormat && (pattern === undefined || inner.keyword('pattern') === pattern);
}

/** A schema in words, such as `string (date-time)`. */
function text(view: SchemaView): string {
  const types = view.types ? [...view.types].sort().join(' or ') || 'nothing' : 'anything';
  const details = [
    ...['format', 'pattern']
      .map((name) => view.keyword(name))
      .filter((each) => each !== undefined)
      .map(String),
    ...[...view.properties].flatMap(([name, { values }]) =>
      values?.length === 1 ? `${name} ${shown(values[0])}` : [],
    ),
  ];
  return `${types}${details.length > 0 ? ` (${details.join(', ')})` : ''}`;
}

function shown(value: unknown): string {
  return JSON.stringify(value);
}
