import { errorHeaders, logBug, publicDetails, toGatewayError, type GatewayError } from '../errors';
import { json, type Exchange, type Reply } from './exchange';

/** The REST error envelope for what a handler threw. The access line gets the error's code. */
export function errorReply(thrown: unknown, exchange: Exchange): Reply {
  const error = toGatewayError(thrown);
  noteFailure(error, exchange);
  return json(error.status, errorEnvelope(error, exchange), errorHeaders(error));
}

/** Notes for the access line what an exchange fails with, and logs a bug. */
export function noteFailure(error: GatewayError, exchange: Exchange): void {
  const { facts } = exchange;
  facts.code = error.countedAs;
  if (error.isClientDeadline) facts.countedStatus = error.countedStatus;
  if (error.limit) facts.limit ??= error.limit;
  logBug(error, exchange);
}

/** An error as REST writes it. */
export function errorEnvelope(error: GatewayError, { id }: Pick<Exchange, 'id'>): object {
  const { status, message, code } = error;
  return { error: { code: status, message, reason: code, requestId: id, ...publicDetails(error) } };
}
