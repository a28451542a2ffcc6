import {
  buildASTSchema,
  GraphQLSchema,
  isScalarType,
  Kind,
  parse,
  Source,
  specifiedDirectives,
  validateSchema,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLError,
} from 'graphql';
import { validateSDL } from 'graphql/validation/validate';
import { gatewaySdl } from './directives';
import type { Findings } from './findings';
import { scalarInputs } from './scalars';

const own = parse(new Source(gatewaySdl, 'the gateway'));
const ownNames = new Set(own.definitions.map(nameOf).filter((name) => name !== undefined));

/**
 * Puts the files of a schema together. A root type may be defined in every file, and what the gateway brings along need not
 * be declared.
 *
 * @throws SchemaError where the SDL is not valid
 */
export function composeSchema(documents: readonly DocumentNode[], findings: Findings): GraphQLSchema {
  const seen = new Set<string>();
  const definitions = documents
    .flatMap((document) => document.definitions)
    .filter((definition) => definition.kind !== Kind.SCALAR_TYPE_DEFINITION || !ownNames.has(definition.name.value))
    .map((definition) => asExtension(definition, seen));
  const document: DocumentNode = { kind: Kind.DOCUMENT, definitions: [...own.definitions, ...definitions] };
  report(validateSDL(document), findings);
  findings.throwIfAny();
  const schema = buildASTSchema(document, { assumeValidSDL: true });
  report(validateSchema(schema), findings);
  findings.throwIfAny();
  for (const [name, coercion] of Object.entries(scalarInputs)) {
    const scalar = schema.getType(name);
    if (isScalarType(scalar)) Object.assign(scalar, coercion);
  }
  return schema;
}

/** The schema that clients see: without the directives that say how it works, and without what it does not use. */
export function publishSchema(schema: GraphQLSchema, documents: readonly DocumentNode[]): GraphQLSchema {
  const named = new Set(documents.flatMap(({ definitions }) => definitions.map(nameOf)));
  const config = schema.toConfig();
  return new GraphQLSchema({
    ...config,
    directives: specifiedDirectives,
    types: config.types.filter((type) => named.has(type.name)),
    extensionASTNodes: [],
    assumeValid: true,
  });
}

function report(errors: readonly GraphQLError[], findings: Findings): void {
  for (const error of errors) {
    const node = error.nodes?.find(({ loc }) => loc && loc.source !== own.loc?.source) ?? error.nodes?.[0];
    findings.at(node, error.message);
  }
}

function nameOf(definition: DefinitionNode): string | undefined {
  return 'name' in definition ? definition.name?.value : undefined;
}

/** The first definition or extension of a root type defines it, the others extend it. */
function asExtension(definition: DefinitionNode, seen: Set<string>): DefinitionNode {
  if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) {
    return definition;
  }
  const name = definition.name.value;
  if (name !== 'Query' && name !== 'Mutation' && name !== 'Subscription') return definition;
  const isFirst = !seen.has(name);
  seen.add(name);
  const { kind: _, ...rest } = definition;
  return { ...rest, kind: isFirst ? Kind.OBJECT_TYPE_DEFINITION : Kind.OBJECT_TYPE_EXTENSION };
}
