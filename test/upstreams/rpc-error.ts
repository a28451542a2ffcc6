/** Development only. How the development upstreams fail: a status, a message and, where fields are wrong, which. */
import { join } from 'node:path';
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from 'protobufjs';

const details = loadSync(join(__dirname, 'rpc-details.proto'));
const statusType = details.lookupType('google.rpc.Status');
const badRequestType = details.lookupType('google.rpc.BadRequest');

/** The trailer that carries an encoded google.rpc.Status. */
export const detailsTrailer = 'grpc-status-details-bin';

/** One wrong field: the path to it, and what would be right. */
export interface FieldViolation {
  field: string;
  description: string;
}

/** A failure that is meant for the caller, with the status that it will see. */
export class RpcError extends Error {
  readonly code: status;
  readonly errorDetails: Uint8Array | undefined;

  constructor(code: status, message: string, errorDetails?: Uint8Array) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.errorDetails = errorDetails;
  }
}

/** INVALID_ARGUMENT with a google.rpc.BadRequest that names every wrong field. */
export function invalidArgument(...violations: FieldViolation[]): RpcError {
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new RpcError(status.INVALID_ARGUMENT, message, encodeBadRequest(message, violations));
}

/** Encodes a google.rpc.Status that holds one google.rpc.BadRequest. */
export function encodeBadRequest(message: string, fieldViolations: FieldViolation[]): Uint8Array {
  const value = badRequestType.encode(badRequestType.fromObject({ fieldViolations })).finish();
  const detail = { type_url: 'type.googleapis.com/google.rpc.BadRequest', value };
  return statusType
    .encode(statusType.fromObject({ code: status.INVALID_ARGUMENT, message, details: [detail] }))
    .finish();
}

/** What grpc-js sends for an error. Whatever is not an RpcError is a bug here: INTERNAL, and on stderr. */
export function toServiceError(error: unknown): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  if (!(error instanceof RpcError)) {
    console.error(error);
    return { code: status.INTERNAL, details: 'a bug in a development upstream; see its log', metadata: new Metadata() };
  }
  const metadata = new Metadata();
  if (error.errorDetails) metadata.set(detailsTrailer, Buffer.from(error.errorDetails));
  return { code: error.code, details: error.message, metadata };
}
