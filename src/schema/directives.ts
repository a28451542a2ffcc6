import { mostCollected } from './compile/collected';

/**
 * The directives that map a schema to gRPC and say who may ask, and the types that every schema may use without declaring
 * them. They stay inside: what clients introspect has none of the directives.
 */
export const gatewaySdl = /* GraphQL */ `
  """
  Says which upstream answers the fields of this file, and which gRPC service it is. Repeat it for a file that uses
  several services; an RPC is then found by its name, or named in full as "package.Service/Method".
  """
  directive @upstream(
    "Names the upstream: its address is the environment variable NAME_SERVICE_ADDR."
    name: String!
    "Full name of the gRPC service, such as acme.users.v1.UserService."
    service: String!
    "How long an RPC may take where its field does not say, such as 500ms or 2s."
    deadline: String = "5s"
  ) repeatable on SCHEMA

  """
  The field is answered by an RPC. Arguments go to the request's fields of the same name; an argument called input that
  has no field of its name is the request itself.
  """
  directive @grpc(
    "Name of the RPC, or package.Service/Method."
    rpc: String!
    """
    What the request is made of, where names alone do not say: an object like the request message. A value is a constant,
    or one of $args.NAME, $session.userId, $session.sessionId, $parent.FIELD (a field of the message this field belongs
    to) and $mask.NAME (a FieldMask of what the client sent in that argument). A list of an object and $args.NAME for a
    message field merges them, the later ones winning.
    """
    request: GrpcMapping
    "Where in the response the field's value is, such as users or page.items; the whole response where left out."
    response: String
    "How long the RPC may take, such as 2s; never longer than what is left of the request's budget."
    deadline: String
    "For a streaming RPC behind a list: how many messages are collected at most."
    max: Int = ${mostCollected}
    "For a streaming RPC: the unary RPC that stands in where the upstream answers UNIMPLEMENTED."
    fallback: String
  ) on FIELD_DEFINITION

  "The list is paged: first and after become the request's page size and page token, and its page becomes edges."
  directive @connection(
    "The response's field that holds the page's items; needed where it has several repeated message fields."
    items: String
    "How many items a page has at most, whatever first says."
    max: Int = 100
  ) on FIELD_DEFINITION

  "How objects of this type are found by key, for @join."
  directive @lookup(
    "Name of the RPC, or package.Service/Method."
    rpc: String!
    """
    The request's repeated field that takes many keys. Several, separated by spaces, where the key is composite: lists side by
    side, such as "tenantIds userIds", or parts of one list of messages, such as "keys.tenantId keys.userId".
    """
    keys: String
    "The request's field that takes one key, where the RPC finds one object at a time."
    key: String
    "The response's repeated field that holds the objects; not used with key."
    items: String
    """
    The object's field that holds its key; several, separated by spaces, in the order of keys. Results are matched by it, so
    their order does not matter.
    """
    match: String
    "How many keys one call takes at most."
    max: Int = 100
    "With key: how many calls run at once."
    concurrency: Int = 10
    "How long a call may take, such as 2s."
    deadline: String
  ) on OBJECT

  "The field is an object of another message or service, or a list of them, found by the key that this message holds."
  directive @join(
    "The field of this message that holds the key, or a list of keys; several, separated by spaces, where it is composite."
    key: String!
    "One-to-many: the RPC that finds many objects for each of many keys. Without it the type's @lookup is used."
    rpc: String
    "One-to-many: the request's repeated field that takes the keys."
    keys: String
    "One-to-many: the response's repeated field that holds the objects."
    items: String
    "One-to-many: the object's field that says which key it belongs to."
    match: String
    "How many keys one call takes at most."
    max: Int = 100
    "How long a call may take, such as 2s."
    deadline: String
  ) on FIELD_DEFINITION

  """
  The name in the proto, where it is not the one here in snake_case or with the enum's prefix. On a type: the member of a
  oneof that the type stands for in a union.
  """
  directive @proto(
    "Name of the field, the oneof, its member or the enum value."
    field: String!
  ) on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE | OBJECT

  "The field is answered by a function of the gateway. The escape hatch."
  directive @resolver(name: String!) on FIELD_DEFINITION

  "Anybody may ask, signed in or not."
  directive @public on FIELD_DEFINITION | OBJECT | INTERFACE

  "Anybody who is signed in may ask."
  directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | ENUM | SCALAR

  "Whoever's session has all permissions of one of the lists may ask."
  directive @requiresScopes(
    scopes: [[String!]!]!
    "A field of the same object that names a user: that user may ask as well."
    orSelf: String
  ) on FIELD_DEFINITION | OBJECT | INTERFACE | ENUM | SCALAR

  """
  Whoever AuthService lets may ask: it is asked about each permission once per request, before anything runs. Of
  the lists one must be allowed whole: the outer list is "or", an inner one "and".
  """
  directive @policy(policies: [[String!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | ENUM | SCALAR

  """
  What a field costs, in place of 1, or of 10 for one that makes a call. On a type: what fields of that type cost. On an
  argument: what it adds where it is given.
  """
  directive @cost(
    "A number as a string, such as 50; 0 for what costs nothing."
    weight: String!
  ) on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ENUM | SCALAR | ARGUMENT_DEFINITION

  "How many items a list is taken to have when the cost of an operation is worked out, in place of 10."
  directive @listSize(
    "How many where no slicing argument is given."
    assumedSize: Int
    "Arguments that say how many; of several that are given the largest counts."
    slicingArguments: [String!]
    "The lists in the field's object that are meant, where the field is no list itself."
    sizedFields: [String!]
  ) on FIELD_DEFINITION

  """
  How often the field may be asked for: so many times in a window, which begins with the first of them. Each alias counts. Over
  the limit the field fails with RATE_LIMITED; a mutation or subscription that asks for it is refused whole, before anything runs.
  """
  directive @rateLimit(
    "How many times, at least 1."
    limit: Int!
    "How long the window is: whole seconds or minutes, such as 10s or 1m; 1440m at most."
    window: String!
    "Whose requests count together."
    by: RateLimitKey = USER
  ) on FIELD_DEFINITION

  "Whose requests count together for @rateLimit."
  enum RateLimitKey {
    "Those of one user, whatever the session."
    USER
    "Those of one session."
    SESSION
    "Those from one address; of IPv6, from one /64 network."
    ADDRESS
  }

  "A date and time, as in RFC 3339: 2026-01-31T12:00:00Z."
  scalar DateTime
  "A length of time in seconds with an s behind, such as 1.5s."
  scalar Duration
  "A whole number of up to 64 bits, as a string."
  scalar BigInt
  "Any JSON value."
  scalar JSON

  "What the request of @grpc is made of."
  scalar GrpcMapping

  "Where a page of a list stands."
  type PageInfo {
    "True where there is a page behind this one."
    hasNextPage: Boolean!
    "True where there is a page before this one."
    hasPreviousPage: Boolean!
    "Cursor of the first edge."
    startCursor: String
    "Cursor of the last edge; give it as after to go on."
    endCursor: String
  }
`;

/** Directives that say who may ask. */
export const accessDirectives = ['public', 'authenticated', 'requiresScopes', 'policy'] as const;
