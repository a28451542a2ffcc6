/**
 * Every limit that may refuse a request or a connection. The keys are the label `limit` of `limit_refusals_total` and the field
 * `limit` of access lines; the README's and the runbook's tables are tested against this one.
 */
export interface LimitKind {
  /** What is refused; for the README. */
  readonly meaning: string;
  /** The variable that sets the limit. Without it and {@link directive}, the limit is fixed. */
  readonly variable?: string;
  /** The directive that sets the limit. */
  readonly directive?: string;
}

export const limits = {
  document_size: { meaning: 'a GraphQL document of more than 32,768 characters' },
  document_tokens: { meaning: 'a GraphQL document of more than 4,000 tokens' },
  document_depth: { meaning: 'a GraphQL document that is nested too deeply to be read' },
  operations: { meaning: 'a GraphQL document with more than 20 operations' },
  fragments: { meaning: 'a GraphQL document with more than 100 fragments' },
  root_fields: { meaning: 'an operation that selects more than 50 fields at its root' },
  aliases: { meaning: 'a GraphQL document with more than 250 aliases, or with one of more than 128 characters' },
  directives: { meaning: 'a GraphQL document with more than 250 directives' },
  repeated_fields: {
    meaning: 'a GraphQL document that names the same fields too often to be validated in a short time',
  },
  cost: { meaning: 'an operation that costs more than it may', variable: 'MAX_COST' },
  cost_measured: {
    meaning: 'nothing: with `COST_MODE=measure`, counts what `cost` would refuse',
    variable: 'MAX_COST',
  },
  calls: { meaning: 'an operation, or an event of a stream, that makes more RPCs than it may', variable: 'MAX_CALLS' },
  result_size: {
    meaning: 'an operation, or an event of a stream, with a larger result than it may have',
    variable: 'MAX_RESULT_SIZE',
  },
  token_checks: {
    meaning: 'a session token that was never confirmed here, where as many of them as allowed are being checked',
    variable: 'MAX_TOKEN_CHECKS',
  },
  unknown_tokens: {
    meaning: 'a session token that was never confirmed here, from an address that has sent too many invalid ones',
    variable: 'UNKNOWN_TOKEN_RATE_LIMIT',
  },
  rate_limit: { meaning: 'a field that is asked for more often than the schema allows', directive: '@rateLimit' },
  login: { meaning: 'a sign-in that begins, from an address that has begun too many', variable: 'LOGIN_RATE_LIMIT' },
  callback: {
    meaning: 'the return from an identity provider, from an address with too many of them',
    variable: 'CALLBACK_RATE_LIMIT',
  },
  answer_items: {
    meaning: "an upstream's answer that would be decoded to more items than it may have",
    variable: '<UPSTREAM>_SERVICE_MAX_ITEMS',
  },
  upstream_calls: {
    meaning:
      'a call to a service, where as many to it as allowed are under way; those of subscriptions and the checks of sessions do not count',
    variable: '<UPSTREAM>_SERVICE_MAX_CALLS',
  },
  body_size: { meaning: 'a body of more than 1 MB' },
  body_memory: {
    meaning: 'a body, where heads and bodies already take all the memory there is for them; small requests go on',
    variable: 'MAX_REQUEST_MEMORY',
  },
  head_memory: {
    meaning: 'a head, for the same reason; where only a part of it has come, its connection is closed',
    variable: 'MAX_REQUEST_MEMORY',
  },
  head_size: { meaning: 'a head of more than 16 KB, or of more than 100 header lines' },
  requests: {
    meaning: 'a request, where as many as allowed are in flight; streams do not count',
    variable: 'MAX_REQUESTS',
  },
  requests_per_address: {
    meaning: 'the same for one address, or one /64 network of IPv6',
    variable: 'MAX_REQUESTS_PER_ADDRESS',
  },
  streams: { meaning: 'a stream, where as many as allowed are open', variable: 'MAX_STREAMS' },
  streams_per_address: {
    meaning: 'the same for one address, or one /64 network of IPv6',
    variable: 'MAX_STREAMS_PER_ADDRESS',
  },
  streams_per_session: { meaning: 'the same for one session', variable: 'MAX_STREAMS_PER_SESSION' },
  connections: {
    meaning: 'a connection, which is closed at once, where as many as allowed are open and none of them is idle',
    variable: 'MAX_CONNECTIONS',
  },
  connections_per_address: {
    meaning: 'the same for one address, or one /64 network of IPv6, idle or not',
    variable: 'MAX_CONNECTIONS_PER_ADDRESS',
  },
} as const satisfies Record<string, LimitKind>;

/** A key of {@link limits}. */
export type LimitName = keyof typeof limits;

export const limitNames = Object.keys(limits) as LimitName[];
