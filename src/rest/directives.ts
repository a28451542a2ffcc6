import { buildASTSchema, GraphQLSchema, parse, visit, type DocumentNode } from 'graphql';

/**
 * The directives that the operations of `schema/rest` may have. They say how an operation is mounted, and are removed before
 * it runs; clients of GraphQL cannot use them.
 */
export const restSdl = /* GraphQL */ `
  "Mounts the operation as a REST route."
  directive @rest(
    "One method, or a list of them that answer the same."
    method: [RestMethod!]!
    "Path template; its variables, such as {userId}, are variables of the operation."
    path: String!
    "More paths that answer the same."
    alias: [String!] = []
    "The variable that the JSON body becomes; * where each of its fields is a variable. Without it there is no body."
    body: String
    "HTTP status of success; with 204 the answer has no body."
    status: Int = 200
  ) on QUERY | MUTATION | SUBSCRIPTION

  "The enum's values are written in PascalCase on this route: Active for ACTIVE."
  directive @pascalCase on FIELD | VARIABLE_DEFINITION

  enum RestMethod {
    GET
    POST
    PUT
    PATCH
    DELETE
  }
`;

const restDirectives = ['rest', 'pascalCase'];

const restDefinitions = buildASTSchema(parse(restSdl), { assumeValidSDL: true });

/** A schema that the operations are validated against: with the directives that they may have. */
export function withRestDirectives(schema: GraphQLSchema): GraphQLSchema {
  const config = schema.toConfig();
  const directives = restDefinitions.getDirectives().filter(({ name }) => restDirectives.includes(name));
  return new GraphQLSchema({ ...config, directives: [...config.directives, ...directives], assumeValid: true });
}

/** A document as the schema of clients takes it. */
export function withoutRestDirectives(document: DocumentNode): DocumentNode {
  return visit(document, { Directive: ({ name }) => (restDirectives.includes(name.value) ? null : undefined) });
}
