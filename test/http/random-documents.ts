import {
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import * as fc from 'fast-check';
import { anyText } from '../any-text';

/** One value of an arbitrary, as `fc.gen` draws it. */
export type Draw = fc.GeneratorValue;

/** A document, and what it is sent with. */
export interface RandomOperation {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/**
 * Writes an operation over a schema: mostly one that fits, with aliases, fragments, directives and variables in all places, and
 * here and there a mistake.
 */
export class RandomDocument {
  private readonly fragments: string[] = [];
  /** Whether it may have mistakes. */
  private readonly isSloppy: boolean;
  private aliases = 0;
  private readonly variables = new Map<string, { readonly type: string; readonly value: unknown }>();

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly draw: Draw,
  ) {
    this.isSloppy = this.chance(3);
  }

  write(kind: 'query' | 'mutation' | 'subscription'): RandomOperation {
    const roots = {
      query: this.schema.getQueryType(),
      mutation: this.schema.getMutationType(),
      subscription: this.schema.getSubscriptionType(),
    };
    const root = roots[kind];
    if (!root) throw new Error(`the schema has no ${kind}`);
    const fields = kind === 'query' ? this.selection(root, 2) : `{ ${this.field(root, 2)} }`;
    const definitions = [...this.variables].map(([name, { type }]) => `$${name}: ${type}`);
    const head = `${kind} ${this.chance(3) ? 'Named' : ''}${definitions.length > 0 ? `(${definitions.join(', ')})` : ''}`;
    const query = [`${head} ${this.directives()} ${fields}`, ...this.fragments].join('\n');
    const given = [...this.variables].filter(() => !this.mistake(12));
    return {
      query: this.mistake(15) ? this.damaged(query) : query,
      variables: Object.fromEntries(given.map(([name, { value }]) => [name, value])),
    };
  }

  private number(max: number): number {
    return this.draw(fc.nat, { max });
  }

  /** True once in so many times. */
  private chance(of: number): boolean {
    return this.number(of - 1) === 0;
  }

  private oneOf<T>(choices: readonly T[]): T {
    return choices[this.number(choices.length - 1)]!;
  }

  /** The same, where there may be mistakes. */
  private mistake(of: number): boolean {
    return this.isSloppy && this.chance(of);
  }

  /** With a piece taken out, or a character put in. */
  private damaged(query: string): string {
    const at = this.number(query.length);
    return this.chance(2)
      ? query.slice(0, at) + query.slice(at + 1 + this.number(20))
      : query.slice(0, at) +
          this.oneOf(['{', '}', '"', '\\', '$', '#', '\u0000', '"""', '...', '@', '\ud800']) +
          query.slice(at);
  }

  private selection(type: GraphQLCompositeType, depth: number): string {
    const parts = Array.from({ length: 1 + this.number(3) }, () => this.part(type, depth));
    return `{ ${parts.join(' ')} }`;
  }

  private part(type: GraphQLCompositeType, depth: number): string {
    const pick = this.number(11);
    if (pick === 0) return `${this.alias()}__typename${this.directives()}`;
    if (pick === 1) return `... ${this.directives()} ${this.selection(type, depth - 1)}`;
    if (pick === 2) {
      const on = this.mistake(4) ? this.oneOf(['Query', 'User', 'Nobody', 'Mutation', 'AskEvent']) : type.name;
      return `... on ${on} ${this.directives()} ${this.selection(type, depth - 1)}`;
    }
    if (pick === 3 && this.fragments.length < 6) return this.spread(type, depth);
    if (pick === 4 && type === this.schema.getQueryType()) {
      return this.oneOf(['__schema { types { name } }', '__type(name: "User") { fields { name } }']);
    }
    if (isObjectType(type)) return this.field(type, depth);
    const of = this.oneOf(this.schema.getPossibleTypes(type));
    return `... on ${of.name} ${this.selection(of, depth - 1)}`;
  }

  private spread(type: GraphQLCompositeType, depth: number): string {
    const name = `F${this.fragments.length}`;
    // Its place first: what it selects may spread others.
    this.fragments.push('');
    const cycle = this.mistake(20) ? `...${name} ` : '';
    const selection = this.selection(type, depth - 1);
    this.fragments[Number(name.slice(1))] = `fragment ${name} on ${type.name} { ${cycle}${selection.slice(1)}`;
    return `...${name}${this.directives()} ${this.chance(5) ? `...${name}` : ''}`;
  }

  private field(type: GraphQLObjectType, depth: number): string {
    if (this.mistake(20)) return this.oneOf(['nothing', 'id { x }', '__proto__', 'constructor']);
    const fields = Object.values(type.getFields());
    const leaves = fields.filter((each) => !isCompositeType(named(each)));
    const field = this.oneOf(depth > 0 || leaves.length === 0 ? fields : leaves);
    const composite = named(field);
    const below = isCompositeType(composite)
      ? depth > -1
        ? this.selection(composite, depth - 1)
        : '{ __typename }'
      : '';
    return `${this.alias()}${field.name}${this.argumentsOf(field)}${this.directives()} ${below}`;
  }

  private alias(): string {
    if (this.isSloppy) return this.oneOf(['', '', 'a: ', 'id: ', '__proto__: ', 'constructor: ']);
    // Two fields of one name may not merge.
    this.aliases += 1;
    return `${this.oneOf(['a', 'constructor', '__a'])}${this.aliases}: `;
  }

  private argumentsOf(field: GraphQLField<unknown, unknown>): string {
    const given = field.args
      .filter(({ type }) => isNonNullType(type) || this.chance(3))
      .map(({ name, type }) => `${name}: ${this.value(type, 3)}`);
    if (this.mistake(20)) given.push('nonsense: 1');
    return given.length === 0 ? '' : `(${given.join(', ')})`;
  }

  private directives(): string {
    const pick = this.number(15);
    if (pick > 3) return this.mistake(20) ? ' @nobody(x: 1)' : '';
    const condition = this.chance(3)
      ? this.oneOf(this.isSloppy ? ['true', '1', 'null'] : ['true', 'false'])
      : this.variable('Boolean!');
    return ` @${pick % 2 === 0 ? 'skip' : 'include'}(if: ${condition})`;
  }

  /** A value as a document writes it: a literal, or a variable. */
  private value(type: GraphQLInputType, depth: number): string {
    if (this.chance(3)) return this.variable(String(type), type);
    if (this.mistake(10)) return this.oneOf(['null', '{}', '[]', '1.5', 'NOBODY', '"x"', '{ a: { a: 1 } }']);
    if (isNonNullType(type)) return this.value(type.ofType, depth);
    if (isListType(type)) return `[${this.value(type.ofType, depth - 1)}]`;
    if (isEnumType(type)) return this.oneOf(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(
        (each) => depth > 0 && (isNonNullType(each.type) || this.chance(2)),
      );
      return `{ ${fields.map((each) => `${each.name}: ${this.value(each.type, depth - 1)}`).join(', ')} }`;
    }
    return JSON.stringify(this.scalar(type.name));
  }

  private variable(type: string, shape?: GraphQLInputType): string {
    const name = `v${this.mistake(4) ? this.number(this.variables.size) : this.variables.size}`;
    if (!this.variables.has(name)) {
      const declared = this.mistake(12) ? this.oneOf(['Int', 'String!', '[ID]', 'Nobody', 'User']) : type;
      const value = this.mistake(4) ? this.anything() : shape ? this.json(shape, 3) : this.draw(fc.boolean);
      this.variables.set(name, { type: declared, value });
    }
    return `$${name}`;
  }

  private anything(): unknown {
    return this.chance(2) ? this.draw(fc.jsonValue, { maxDepth: 3 }) : this.draw(anyText);
  }

  /** A value as variables have it. */
  private json(type: GraphQLInputType, depth: number): unknown {
    if (isNonNullType(type)) return this.json(type.ofType, depth);
    if (isListType(type)) return [this.json(type.ofType, depth - 1)];
    if (isEnumType(type)) return this.oneOf(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(
        (each) => depth > 0 && (isNonNullType(each.type) || this.chance(2)),
      );
      return Object.fromEntries(fields.map((each) => [each.name, this.json(each.type, depth - 1)]));
    }
    return this.scalar(type.name);
  }

  private scalar(name: string): unknown {
    if (name === 'Int') return this.oneOf([0, 1, 3, 100, -1, 2 ** 31 - 1]);
    if (name === 'Float') return this.draw(fc.float, { noNaN: true, noDefaultInfinity: true });
    if (name === 'Boolean') return this.draw(fc.boolean);
    if (name === 'ID' && this.chance(2)) return this.oneOf(['user-ada', 'user-max', 'user-nobody', '']);
    return this.draw(fc.string, { maxLength: 12 });
  }
}

function named(field: GraphQLField<unknown, unknown>): unknown {
  let type: unknown = field.type;
  while (isNonNullType(type) || isListType(type)) type = type.ofType;
  return type;
}
