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
    "What becomes of query parameters that the operation does not have."
    unknownQuery: UnknownQuery = IGNORE
  ) on QUERY | MUTATION | SUBSCRIPTION

  "How the enum's values are written on this route. As a variable, they may be written as in GraphQL too."
  directive @enumCase(as: EnumCase!) on FIELD | VARIABLE_DEFINITION

  enum RestMethod {
    GET
    POST
    PUT
    PATCH
    DELETE
  }

  "The value is sent in this response header, and not in the body. Null is not sent."
  directive @header(name: String!) on FIELD

  enum UnknownQuery {
    IGNORE
    "The request is refused with 400."
    REFUSE
  }

  enum EnumCase {
    "InProgress for IN_PROGRESS"
    PASCAL
    "inProgress"
    CAMEL
    "in_progress"
    SNAKE
    "in-progress"
    KEBAB
  }
`;

const restDirectives = ['rest', 'enumCase', 'header'];

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
