import {
  buildASTSchema,
  GraphQLSchema,
  isScalarType,
  Kind,
  parse,
  Source,
  specifiedDirectives,
  validateSchema,
  visit,
  type ASTNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLError,
  type GraphQLNamedType,
} from 'graphql';
import { SchemaError, type Findings } from '../diagnostics/findings';
import { checkDirectiveValues, reportErrors } from '../diagnostics/graphql-errors';
import { specifiedSDLRules, validateSDL } from '../internals/graphql';
import { gatewaySdl } from './directives';
import { scalarInputs } from './scalars';

const own = parse(new Source(gatewaySdl, 'the gateway'));
const ownNames = new Set(own.definitions.map(nameOf).filter((name) => name !== undefined));
const directives = [...buildASTSchema(own, { assumeValidSDL: true }).getDirectives()];

/** Mistakes in directives do not prevent building the schema, so they are reported together with the other findings. */
const directiveRules = specifiedSDLRules.filter(({ name }) => name.includes('Directive'));
const structureRules = specifiedSDLRules.filter((rule) => !directiveRules.includes(rule));

/**
 * Composes the files of a schema. Every file may define a root type, and need not declare what the gateway brings along.
 *
 * @throws SchemaError with all findings so far, where the SDL makes no schema
 */
export function composeSchema(documents: readonly DocumentNode[], findings: Findings): GraphQLSchema {
  const seen = new Set<string>();
  const definitions = documents
    .flatMap((document) => document.definitions)
    .filter((definition) => definition.kind !== Kind.SCALAR_TYPE_DEFINITION || !ownNames.has(definition.name.value))
    .map((definition) => asExtension(definition, seen));
  const document: DocumentNode = { kind: Kind.DOCUMENT, definitions: [...own.definitions, ...definitions] };
  const before = findings.list.length;
  reportErrors(validateSDL(document, null, directiveRules), findings, { directives }, ofFiles);
  checkValues(definitions, findings);
  const errors = validateSDL(document, null, structureRules);
  if (errors.length > 0) throw invalid(errors, findings);
  const schema = build(document, findings, before);
  const problems = validateSchema(schema);
  if (problems.length > 0) throw invalid(problems, findings);
  for (const [name, coercion] of Object.entries(scalarInputs)) {
    const scalar = schema.getType(name);
    if (isScalarType(scalar)) Object.assign(scalar, coercion);
  }
  return schema;
}

/** True for a type that the gateway brings along. */
export function isGatewayType(type: GraphQLNamedType): boolean {
  return ownNames.has(type.name);
}

/** The schema that clients see: without the gateway's directives, and without those of its types that nothing uses. */
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

/** @throws SchemaError where a mistake in one of GraphQL's own directives, such as @deprecated, prevents it. */
function build(document: DocumentNode, findings: Findings, before: number): GraphQLSchema {
  try {
    return buildASTSchema(document, { assumeValidSDL: true });
  } catch (error) {
    if (findings.list.length === before) throw error;
    throw new SchemaError(findings.list);
  }
}

function invalid(errors: readonly GraphQLError[], findings: Findings): SchemaError {
  reportErrors(errors, findings, { directives }, ofFiles);
  return new SchemaError(findings.list);
}

function checkValues(definitions: readonly DefinitionNode[], findings: Findings): void {
  for (const definition of definitions) {
    visit(definition, {
      Directive(node) {
        const known = directives.find(({ name }) => name === node.name.value);
        if (known) checkDirectiveValues(node, known, findings);
      },
    });
  }
}

/** The node that an error is about, in the user's files where possible. */
function ofFiles({ nodes }: GraphQLError): ASTNode | undefined {
  return nodes?.find(({ loc }) => loc && loc.source !== own.loc?.source) ?? nodes?.[0];
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
