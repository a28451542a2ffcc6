import type { GraphQLSchema } from 'graphql';
import type { JsonSchema } from './json-schema';

/** The schemas of a document that are written once and referred to by name. */
export class SchemaComponents {
  readonly schemas: Record<string, JsonSchema> = {};

  /** @param schema - Components are named after its types. */
  constructor(private readonly schema: GraphQLSchema) {}

  /**
   * @param name - Of the type that it describes. Of several shapes of one type, the later ones get a number.
   * @returns a reference to it
   */
  add(name: string, schema: JsonSchema): JsonSchema {
    const free = this.freeName(name, JSON.stringify(schema));
    this.schemas[free] = schema;
    return reference(free);
  }

  /** Takes a name for a schema that is put into {@link schemas} later, since it may refer to itself. */
  reserve(name: string): string {
    const free = this.freeName(name, undefined);
    this.schemas[free] = {};
    return free;
  }

  /** @param text - The schema as JSON, which may have the name already; undefined where the name has to be new. */
  private freeName(name: string, text: string | undefined): string {
    const isFree = (candidate: string): boolean => {
      const known = this.schemas[candidate];
      if (known) return JSON.stringify(known) === text;
      return candidate === name || this.schema.getType(candidate) === undefined;
    };
    let free = name;
    for (let number = 2; !isFree(free); number += 1) free = `${name}${number}`;
    return free;
  }

  /** The schema that a reference leads to; any other as it is. */
  resolve(schema: JsonSchema): JsonSchema {
    const { $ref, ...rest } = schema;
    if (typeof $ref !== 'string') return schema;
    return { ...this.schemas[$ref.slice($ref.lastIndexOf('/') + 1)], ...rest };
  }
}

/** A reference to a component of {@link SchemaComponents}. */
export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}
