import { errorHeaders, logBug, publicDetails, toGatewayError } from '../errors';
import { json, type Exchange, type Reply } from './exchange';

/** The REST error envelope for what a handler threw. The access line gets the error's code. */
export function errorReply(thrown: unknown, exchange: Exchange): Reply {
  const error = toGatewayError(thrown);
  exchange.facts.code = error.countedAs;
  if (error.isClientDeadline) exchange.facts.countedStatus = error.countedStatus;
  if (error.limit) exchange.facts.limit ??= error.limit;
  logBug(error, exchange);
  const { status, message, code } = error;
  return json(
    status,
    { error: { code: status, message, reason: code, requestId: exchange.id, ...publicDetails(error) } },
    errorHeaders(error),
  );
}
