import { dirname } from 'node:path';
import { Kind, visit, type ConstDirectiveNode, type DocumentNode } from 'graphql';
import type { Root, Type } from 'protobufjs';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import { findService } from '../proto/protos';
import { argsOf } from '../schema/directive-nodes';
import { fieldName, rpcName, type ProtoName } from '../schema/proto-usage';
import { fieldsAre } from '../schema/services';
import type { Sources } from '../schema/sources';
import { authServiceName, authServiceNeeds, authUpstream } from '../session/auth-service';

/** Findings where the service that sign-in and sessions call by name is missing, or lacks what they need. */
export function checkSignIn({ sdl, protos, upstreamNames }: Sources, findings: Findings): void {
  const directive = upstreamDirective(sdl);
  const report = (message: string, fix: string): void => {
    if (directive) findings.at(directive, message, fix);
    else findings.in(dirname(sdl[0]?.loc?.source.name ?? ''), message, fix);
  };
  if (!upstreamNames.includes(authUpstream)) {
    report(
      `no file names the upstream "${authUpstream}", which sign-in and sessions need`,
      `Add to one: extend schema @upstream(name: "${authUpstream}", service: "${authServiceName}").`,
    );
  }
  const service = findService(protos, authServiceName);
  if (!service) {
    report(
      `no proto defines ${authServiceName}, which sign-in and sessions need`,
      'Add its proto to the folder of protos.',
    );
    return;
  }
  for (const [name, needs] of Object.entries(authServiceNeeds)) {
    if (needs.purpose === 'policies' && !usesPolicies(sdl)) continue;
    const whose = needs.purpose === 'policies' ? '@policy needs' : 'sign-in and sessions need';
    const method = service.methodsArray.find((each) => each.name === name);
    if (!method) {
      const names = service.methodsArray.map((each) => each.name);
      report(
        `${authServiceName} has no RPC ${name}, which ${whose}`,
        didYouMean(name, names) ?? `Its RPCs are ${names.join(', ')}.`,
      );
      continue;
    }
    for (const [message, fields] of [
      [method.resolvedRequestType, needs.request],
      [method.resolvedResponseType, needs.response],
    ] as const) {
      for (const field of fields) {
        if (!message || message.fields[field]) continue;
        const names = message.fieldsArray.map((each) => each.name);
        report(
          `${message.fullName.slice(1)} has no field ${field}, which ${whose}`,
          didYouMean(field, names) ?? fieldsAre(names),
        );
      }
    }
  }
}

/** Whether a schema has policies: AuthService must then know permissions. */
export function usesPolicies(documents: readonly DocumentNode[]): boolean {
  let found = false;
  for (const document of documents) {
    visit(document, {
      Directive({ name }) {
        if (name.value === 'policy') found = true;
      },
    });
  }
  return found;
}

/** The @upstream of sign-in: the one with its service, else with its name. */
function upstreamDirective(documents: readonly DocumentNode[]): ConstDirectiveNode | undefined {
  const directives = documents
    .flatMap(({ definitions }) => definitions)
    .flatMap((definition) => (definition.kind === Kind.SCHEMA_EXTENSION ? (definition.directives ?? []) : []))
    .filter(({ name }) => name.value === 'upstream');
  return (
    directives.find((directive) => argsOf(directive)['service'] === authServiceName) ??
    directives.find((directive) => argsOf(directive)['name'] === authUpstream)
  );
}

export type Purpose = (typeof authServiceNeeds)[keyof typeof authServiceNeeds]['purpose'];

/** The names of the protos that each purpose of sign-in and sessions depends on. */
export function signInUsage(protos: Root): ReadonlyMap<Purpose, readonly ProtoName[]> {
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
