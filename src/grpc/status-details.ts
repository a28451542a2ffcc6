import { parse, Type, type Message } from 'protobufjs';
import type { FieldViolation } from '../errors';
import { asSent } from '../internals/protobufjs';

/**
 * The error details that the gateway reads itself, by the field numbers of google/rpc/status.proto and
 * google/rpc/error_details.proto. Other details are left out: what they hold is for the services to decide.
 */
const { root } = parse(
  `syntax = "proto3";
   package google.rpc;
   message Any { string type_url = 1; bytes value = 2; }
   message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
   message BadRequest {
     message FieldViolation { string field = 1; string description = 2; string reason = 3; }
     repeated FieldViolation field_violations = 1;
   }
   message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
   message Duration { int64 seconds = 1; int32 nanos = 2; }
   message RetryInfo { Duration retry_delay = 1; }
   message LocalizedMessage { string locale = 1; string message = 2; }
   message ResourceInfo { string resource_type = 1; string resource_name = 2; string owner = 3; string description = 4; }
   message PreconditionFailure {
     message Violation { string type = 1; string subject = 2; string description = 3; }
     repeated Violation violations = 1;
   }
   message QuotaFailure {
     message Violation { string subject = 1; string description = 2; }
     repeated Violation violations = 1;
   }
   message Help {
     message Link { string description = 1; string url = 2; }
     repeated Link links = 1;
   }`,
);

const typePrefix = 'type.googleapis.com/';
const statusType = asSent(root).lookupType('google.rpc.Status');

interface StatusMessage extends Message {
  readonly details: readonly { readonly typeUrl?: string; readonly value: Uint8Array }[];
}

export interface StatusDetails {
  readonly fieldViolations: readonly FieldViolation[];
  /** Each detail as JSON, with its type's full name under `@type`. */
  readonly details: readonly Record<string, unknown>[];
  /** Whole seconds of RetryInfo, rounded up. */
  readonly retryAfter: number | undefined;
}

const nothing: StatusDetails = { fieldViolations: [], details: [], retryAfter: undefined };

/** Reads `grpc-status-details-bin`. What cannot be read counts as not there: the status itself still stands. */
export function decodeStatusDetails(value: Buffer | undefined): StatusDetails {
  if (!value) return nothing;
  try {
    const status = statusType.decode(value) as StatusMessage;
    const details = status.details.flatMap((any) => decodeDetail(any.typeUrl ?? '', any.value));
    return {
      details,
      fieldViolations: details.flatMap((detail) => (detail['fieldViolations'] ?? []) as FieldViolation[]),
      retryAfter: retryAfter(details),
    };
  } catch {
    return nothing;
  }
}

function decodeDetail(typeUrl: string, value: Uint8Array): Record<string, unknown>[] {
  const name = typeUrl.startsWith(typePrefix) ? typeUrl.slice(typePrefix.length) : '';
  const type = root.lookup(name, [Type]);
  if (!(type instanceof Type)) return [];
  return [{ '@type': name, ...type.toObject(type.decode(value), { longs: Number }) }];
}

function retryAfter(details: readonly Record<string, unknown>[]): number | undefined {
  const delay = details.find((detail) => detail['@type'] === 'google.rpc.RetryInfo')?.['retryDelay'] as
    { seconds?: number; nanos?: number } | undefined;
  return delay && Math.max(0, Math.ceil((delay.seconds ?? 0) + (delay.nanos ?? 0) / 1e9));
}
