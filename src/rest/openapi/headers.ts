import { rateLimitHeaders } from '../../session/rate-limits';

/** For examples: one request of ten in a minute. */
const quota = {
  rateLimit: { name: 'Query.example', limit: 10, window: 60 },
  isOver: false,
  used: 1,
  remaining: 9,
  resetAfter: 42,
};
const draft = 'draft-ietf-httpapi-ratelimit-headers';

/** Response headers that several answers have, as components. */
export const headerComponents = {
  RequestId: { description: 'Id of the request in logs and errors.', required: true, schema: { type: 'string' } },
  RetryAfter: {
    description: 'Seconds to wait before trying again.',
    schema: { type: 'integer', minimum: 1 },
  },
  RateLimitPolicy: {
    description: `The limits that apply to the request (${draft}).`,
    schema: { type: 'string' },
    example: rateLimitHeaders([quota])['ratelimit-policy'],
  },
  RateLimit: {
    description: `What is left of each limit, and the seconds until its window ends (${draft}).`,
    schema: { type: 'string' },
    example: rateLimitHeaders([quota]).ratelimit,
  },
  ETag: { description: 'Changes when the body does; for If-None-Match.', schema: { type: 'string' } },
  SetCookie: { description: 'Sets or deletes a cookie.', schema: { type: 'string' } },
} as const;

const header = (name: keyof typeof headerComponents) => ({ $ref: `#/components/headers/${name}` });

export const requestIdHeader = { 'x-request-id': header('RequestId') };
export const retryAfterHeader = { 'retry-after': header('RetryAfter') };
export const rateLimitHeaderRefs = { 'ratelimit-policy': header('RateLimitPolicy'), ratelimit: header('RateLimit') };
export const etagHeader = { etag: header('ETag') };
export const setCookieHeader = { 'set-cookie': header('SetCookie') };
