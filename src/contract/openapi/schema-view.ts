import { DocumentError, isObject, itemsOf, membersOf, type Members, type References } from './references';

/**
 * One or more schemas of JSON Schema 2020-12 that a value has to fit all at once, seen as one. The same schemas have the same view.
 */
export interface SchemaView {
  /** Unique among the views of a document. */
  readonly id: number;
  /** Without null; undefined where any type will do. */
  readonly types: ReadonlySet<string> | undefined;
  readonly isNullable: boolean;
  /** Of an enum or a const, without null; undefined where there is none. */
  readonly values: readonly unknown[] | undefined;
  readonly properties: ReadonlyMap<string, SchemaView>;
  readonly required: ReadonlySet<string>;
  /** Other members than `properties`: false where there may be none, undefined where there may be any. */
  readonly additionalProperties: SchemaView | false | undefined;
  /** Undefined where anything may be an item. */
  readonly items: SchemaView | undefined;
  /** What `anyOf` and `oneOf` leave to choose from, each with all that holds besides; the view itself where there is no choice. */
  readonly choices: readonly SchemaView[];
  /** The value of a keyword that takes no schema, such as `format`. */
  keyword(name: string): unknown;
}

/** The views of a document's schemas. */
export class SchemaViews {
  private readonly views = new Map<string, View>();
  private readonly ids = new Map<Members, number>();

  constructor(private readonly references: References) {}

  /**
   * @param schema - Undefined where the document has none: anything fits.
   * @throws DocumentError for a reference that leads nowhere or out of the document, and for a schema that is a part of itself
   */
  of(schema: unknown): SchemaView {
    return this.ofAll([schema]);
  }

  /** The view of what fits several schemas. */
  ofAll(schemas: readonly unknown[], parts: readonly Part[] = []): View {
    const seen = new Set<string>();
    const all = [...parts, ...schemas.flatMap((schema) => this.partsOf(schema, { orNull: false, within: [], seen }))];
    const distinct = new Map(all.map((part) => [this.keyOf(part), part]));
    if (distinct.size > maxParts) throw new DocumentError(`a schema has more than ${maxParts} parts`);
    const key = [...distinct.keys()].sort().join(' ');
    const known = this.views.get(key);
    if (known) return known;
    const view = new View(this.views.size, [...distinct.values()], this);
    this.views.set(key, view);
    return view;
  }

  /** A schema, and the schemas that `$ref`, `allOf`, and an `anyOf` without a choice add to it. */
  private partsOf(schema: unknown, { orNull, within, seen }: PartsContext): Part[] {
    if (schema === false) return [{ schema: nothing, orNull, isChosen: false }];
    if (!isObject(schema)) return [];
    if (within.includes(schema)) throw new DocumentError('a schema is a part of itself by $ref, allOf or anyOf');
    if (within.length > maxParts) throw new DocumentError(`a schema has more than ${maxParts} parts`);
    // Schemas may share parts at every level, which are then as many ways to one part as two to the power of the depth.
    const key = this.keyOf({ schema, orNull, isChosen: false });
    if (seen.has(key)) return [];
    seen.add(key);
    const inner = { orNull, within: [...within, schema], seen };
    const { $ref: reference, allOf } = schema;
    const { alternatives, hasNull } = this.choicesOf(schema);
    const [only = false] = alternatives;
    return [
      ...(alternatives.length < 2 && isWrapper(schema) ? [] : [{ schema, orNull, isChosen: false }]),
      ...(typeof reference === 'string' ? this.partsOf(this.references.find(reference), inner) : []),
      ...itemsOf(allOf).flatMap((each) => this.partsOf(each, inner)),
      ...(alternatives.length === 1 || (alternatives.length === 0 && hasNull)
        ? this.partsOf(only, { ...inner, orNull: orNull || hasNull })
        : []),
    ];
  }

  /** What `anyOf` or `oneOf` of a schema leave to choose from: null, and others. */
  choicesOf({ anyOf, oneOf }: Members): { readonly alternatives: readonly unknown[]; readonly hasNull: boolean } {
    const all = itemsOf(anyOf ?? oneOf);
    const alternatives = all.filter((each) => !isNull(this.references.resolve(each)));
    return { alternatives, hasNull: alternatives.length < all.length };
  }

  private keyOf({ schema, orNull, isChosen }: Part): string {
    const id = this.ids.get(schema) ?? this.ids.size;
    this.ids.set(schema, id);
    return `${id}${orNull ? '?' : ''}${isChosen ? '!' : ''}`;
  }
}

interface PartsContext {
  /** Whether null fits too, whatever the schemas say. */
  readonly orNull: boolean;
  /** The schemas that lead to this one. */
  readonly within: readonly Members[];
  /** The parts that are there already. */
  readonly seen: Set<string>;
}

/** One of the schemas that a value has to fit. */
interface Part {
  readonly schema: Members;
  /** Whether null fits too, whatever the schema says. */
  readonly orNull: boolean;
  /** True where one alternative of its `anyOf` or `oneOf` was chosen, and is a part of the view itself. */
  readonly isChosen: boolean;
}

/** Keywords that lead to other schemas. */
const links = new Set(['$ref', 'allOf', 'anyOf', 'oneOf']);

/** Keywords that say nothing of which values fit. */
const annotations = new Set([
  'title',
  'description',
  'default',
  'deprecated',
  'example',
  'examples',
  'readOnly',
  'writeOnly',
  '$comment',
  'discriminator',
  'externalDocs',
  'xml',
]);

/** Whether a schema only leads to others. It is left out, so that two ways to the same schemas have the same view. */
function isWrapper(schema: Members): boolean {
  return Object.keys(schema).every((name) => links.has(name) || annotations.has(name));
}

/** What no value fits. */
const nothing: Members = { type: [] };

function isNull({ type }: Members): boolean {
  return type === 'null' || (Array.isArray(type) && type.length === 1 && type[0] === 'null');
}

/** Schemas that a value has to fit all at once, at most. */
const maxParts = 200;

/** Choices of a schema, at most, with those that its choices have. */
const maxChoices = 1_000;

class View implements SchemaView {
  private lazyProperties: ReadonlyMap<string, SchemaView> | undefined;
  private lazyChoices: readonly View[] | undefined;

  constructor(
    readonly id: number,
    private readonly parts: readonly Part[],
    private readonly views: SchemaViews,
  ) {}

  get types(): ReadonlySet<string> | undefined {
    let types: ReadonlySet<string> | undefined;
    for (const { schema } of this.parts) {
      const own = typesOf(schema);
      if (own) types = types ? inBoth(types, own) : own;
    }
    return types;
  }

  get isNullable(): boolean {
    if (!this.takesNull) return false;
    return (
      this.open.every(({ schema }) => this.views.choicesOf(schema).hasNull) ||
      this.choices.some((each) => each.takesNull)
    );
  }

  /** Whether null fits all that there is no choice in. */
  private get takesNull(): boolean {
    return this.parts.every(({ schema, orNull }) => orNull || allowsNull(schema));
  }

  /** The parts that leave something to choose. */
  private get open(): readonly Part[] {
    return this.parts.filter(
      ({ schema, isChosen }) => !isChosen && this.views.choicesOf(schema).alternatives.length > 1,
    );
  }

  get values(): readonly unknown[] | undefined {
    const [first, ...more] = this.parts.flatMap(({ schema }) => {
      const values = valuesOf(schema);
      return values ? [values] : [];
    });
    if (!first) return undefined;
    const isInAll = (value: unknown): boolean => more.every((list) => list.includes(value));
    return first.filter((value) => value !== null && isInAll(value));
  }

  get properties(): ReadonlyMap<string, SchemaView> {
    if (this.lazyProperties) return this.lazyProperties;
    const all = this.parts.map(({ schema }) => membersOf(schema['properties']));
    const names = new Set(all.flatMap((properties) => Object.keys(properties)));
    const schemasOf = (name: string): unknown[] =>
      all.filter((each) => Object.hasOwn(each, name)).map((each) => each[name]);
    this.lazyProperties = new Map([...names].map((name) => [name, this.views.ofAll(schemasOf(name))]));
    return this.lazyProperties;
  }

  get required(): ReadonlySet<string> {
    return new Set(this.parts.flatMap(({ schema }) => itemsOf(schema['required']).map(String)));
  }

  get additionalProperties(): SchemaView | false | undefined {
    const all = this.schemasAt('additionalProperties');
    if (all.includes(false)) return false;
    return all.some(isObject) ? this.views.ofAll(all) : undefined;
  }

  get items(): SchemaView | undefined {
    const all = this.schemasAt('items');
    return all.length === 0 ? undefined : this.views.ofAll(all);
  }

  get choices(): readonly View[] {
    if (this.lazyChoices) return this.lazyChoices;
    // A choice that leads back here adds nothing to choose from.
    this.lazyChoices = [];
    this.lazyChoices = this.findChoices();
    return this.lazyChoices;
  }

  private findChoices(): readonly View[] {
    const [open] = this.open;
    if (!open) return [this];
    const parts = this.parts.map((part) => (part === open ? { ...part, isChosen: true } : part));
    const found = new Set<View>();
    for (const choice of this.views.choicesOf(open.schema).alternatives) {
      for (const each of this.views.ofAll([choice], parts).choices) found.add(each);
      if (found.size > maxChoices) throw new DocumentError(`a schema has more than ${maxChoices} choices`);
    }
    return [...found];
  }

  keyword(name: string): unknown {
    return this.schemasAt(name)[0];
  }

  private schemasAt(name: string): unknown[] {
    return this.parts.flatMap(({ schema }) => (schema[name] === undefined ? [] : [schema[name]]));
  }
}

/** The types that a schema names, without null; undefined where it names none. */
function typesOf(schema: Members): ReadonlySet<string> | undefined {
  const { type } = schema;
  const named = typeof type === 'string' ? [type] : Array.isArray(type) ? type.map(String) : undefined;
  const types = named ?? valuesOf(schema)?.map(typeOf);
  return types && new Set(types.filter((each) => each !== 'null'));
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function valuesOf({ const: constant, enum: values }: Members): readonly unknown[] | undefined {
  return constant === undefined ? (Array.isArray(values) ? values : undefined) : [constant];
}

function allowsNull(schema: Members): boolean {
  const { type, nullable } = schema;
  // OpenAPI 3.0.
  if (nullable === true) return true;
  if (type !== undefined && ![type].flat().includes('null')) return false;
  return valuesOf(schema)?.includes(null) ?? true;
}

/** A whole number is a number. */
function inBoth(some: ReadonlySet<string>, others: ReadonlySet<string>): ReadonlySet<string> {
  const has = (types: ReadonlySet<string>, type: string): boolean =>
    types.has(type) || (type === 'integer' && types.has('number'));
  return new Set([...[...some].filter((type) => has(others, type)), ...[...others].filter((type) => has(some, type))]);
}
