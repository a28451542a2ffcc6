import { errorHeaders, type ErrorCode, type GatewayError } from '../errors';
import { errorsOf, statusOf, type PresentedResult } from '../pipeline/present';
import type { Accepted } from './accept';

/** Status and headers of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The status that the answer counts with, where that is another. */
  readonly countedStatus?: number;
}

/** The head of an answer that is one result, with the headers that its errors bring. */
export function headOf(result: PresentedResult, { headers, legacy }: Accepted): ResponseHead {
  if (!result.errors) return { status: 200, headers };
  const errors = errorsOf(result);
  const status = legacy && isOfDocument(result, errors) ? 200 : statusOf(result);
  const all: Record<string, string> = { ...headers };
  for (const error of errors) Object.assign(all, errorHeaders(error));
  // Sooner, some of it would still fail.
  const waits = errors.flatMap(({ retryAfter }) => retryAfter ?? []);
  if (waits.length > 1) all['retry-after'] = String(Math.max(...waits));
  const countedStatus = errors.some(({ isClientDeadline }) => isClientDeadline)
    ? statusOf(result, (error) => error.countedStatus)
    : status;
  return countedStatus === status ? { status, headers: all } : { status, headers: all, countedStatus };
}

const documentErrors: readonly ErrorCode[] = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'];

/** True where the document or its variables are wrong, and nothing was executed. */
function isOfDocument(result: PresentedResult, errors: readonly GatewayError[]): boolean {
  return !('data' in result) && errors.every(({ code }) => documentErrors.includes(code));
}
