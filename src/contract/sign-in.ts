import { dirname } from 'node:path';
import type { Root, Type } from 'protobufjs';
import { findService } from '../grpc/protos';
import { didYouMean, type Findings } from '../schema/findings';
import { jsonName } from '../schema/proto-model';
import type { Sources } from '../schema/sources';
import { fieldName, rpcName, type ProtoName } from '../schema/usage';
import { authServiceName, authServiceNeeds, authUpstream } from '../session/auth-service';

/** The part of the contract that no SDL says: the service that sign-in and sessions call by name. */
export function checkSignIn(sources: Sources, findings: Findings): void {
  const folder = dirname(sources.sdl[0]?.loc?.source.name ?? '');
  if (!sources.upstreamNames.includes(authUpstream)) {
    findings.in(
      folder,
      `no file names the upstream "${authUpstream}", which sign-in and sessions need`,
      `Add to one: extend schema @upstream(name: "${authUpstream}", service: "${authServiceName}").`,
    );
  }
  const service = findService(sources.protos, authServiceName);
  if (!service) {
    findings.in(
      folder,
      `no proto defines ${authServiceName}, which sign-in and sessions need`,
      'Add its proto to the folder of protos.',
    );
    return;
  }
  const file = service.filename ?? authServiceName;
  for (const [name, needs] of Object.entries(authServiceNeeds)) {
    const method = service.methodsArray.find((each) => each.name === name);
    if (!method) {
      const names = service.methodsArray.map((each) => each.name);
      findings.in(
        file,
        `${authServiceName} has no RPC ${name}, which sign-in and sessions need`,
        didYouMean(name, names) ?? `Its RPCs are ${names.join(', ')}.`,
      );
      continue;
    }
    for (const [message, names] of [
      [method.resolvedRequestType, needs.request],
      [method.resolvedResponseType, needs.response],
    ] as const) {
      for (const field of names) if (message) checkField(message, field, file, findings);
    }
  }
}

function checkField(message: Type, name: string, file: string, findings: Findings): void {
  if (message.fields[name]) return;
  const names = message.fieldsArray.map((field) => field.name);
  findings.in(
    file,
    `${message.fullName.slice(1)} has no field ${name}, which sign-in and sessions need`,
    didYouMean(name, names) ?? `Its fields are ${message.fieldsArray.map(jsonName).join(', ') || 'none'}.`,
  );
}

export type Purpose = (typeof authServiceNeeds)[keyof typeof authServiceNeeds]['purpose'];

/** What each purpose of sign-in and sessions stands on. */
export function signInUses(protos: Root): ReadonlyMap<Purpose, readonly ProtoName[]> {
  const methods = findService(protos, authServiceName)?.methodsArray ?? [];
  return new Map(
    Object.entries(authServiceNeeds).map(([name, { purpose, request, response }]) => {
      const method = methods.find((each) => each.name === name);
      if (!method) return [purpose, []];
      const fields = (message: Type | null, names: readonly string[]): ProtoName[] =>
        names.flatMap((field) => (message?.fields[field] ? [fieldName(message.fields[field])] : []));
      return [
        purpose,
        [
          rpcName(method),
          ...fields(method.resolvedRequestType, request),
          ...fields(method.resolvedResponseType, response),
        ],
      ];
    }),
  );
}
