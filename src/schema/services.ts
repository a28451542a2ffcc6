import { Kind, type ConstDirectiveNode } from 'graphql';
import { Service, type Field, type Method, type NamespaceBase, type Type } from 'protobufjs';
import { parseDuration } from '../config/duration';
import { didYouMean } from '../diagnostics/did-you-mean';
import type { Findings } from '../diagnostics/findings';
import { findField, fullName, jsonName } from '../proto/proto-model';
import { findService } from '../proto/protos';
import { argsOf } from './directive-nodes';
import { fieldName, rpcName, type ProtoName } from './proto-usage';
import type { Sources } from './sources';

/** A service that @upstream of a file names. */
export interface UpstreamService {
  /** Name of the upstream. */
  readonly name: string;
  readonly service: Service;
  /** Ms that an RPC may take where its field does not say. */
  readonly timeout: number;
}

/** An RPC that a directive names. */
export interface ResolvedRpc {
  readonly upstream: UpstreamService;
  readonly method: Method;
  readonly request: Type;
  readonly response: Type;
}

/** Finds what the directives of a file name: services, RPCs and fields of their messages. Findings for what is not there. */
export class Services {
  /** By the name of the file. */
  private readonly upstreams = new Map<string, UpstreamService[]>();
  /** Names of upstreams, by the prefix of their environment variables. */
  private readonly names = new Map<string, string>();
  /** Files about whose services there is a finding already. */
  private readonly silent = new Set<string>();
  /** Names of the protos, by the directive that led to them. */
  private readonly found = new Map<ConstDirectiveNode, Set<ProtoName>>();

  /** @param deadlines - Ms that RPCs of an upstream may take at most, by upstream. */
  constructor(
    private readonly sources: Sources,
    private readonly deadlines: Readonly<Record<string, number | undefined>>,
    private readonly findings: Findings,
  ) {
    for (const document of sources.sdl) {
      for (const definition of document.definitions) {
        if (definition.kind !== Kind.SCHEMA_EXTENSION && definition.kind !== Kind.SCHEMA_DEFINITION) continue;
        for (const directive of definition.directives ?? []) {
          if (directive.name.value === 'upstream') this.addUpstream(directive);
        }
      }
    }
  }

  private addUpstream(directive: ConstDirectiveNode): void {
    const { name, service: fullServiceName, deadline = '5s' } = argsOf(directive);
    // The validation of the SDL reports missing and wrong arguments.
    if (typeof name !== 'string' || typeof fullServiceName !== 'string') return;
    if (!/^[a-z][a-z0-9_-]*$/.test(name)) {
      this.findings.at(directive, `"${name}" cannot name an upstream`, 'Use lower-case letters, digits, - and _.');
    }
    const service = findService(this.sources.protos, fullServiceName);
    const variable = name.replaceAll('-', '_');
    const other = this.names.get(variable) ?? name;
    this.names.set(variable, other);
    if (other !== name) {
      this.findings.at(
        directive,
        `the upstreams "${other}" and "${name}" read their address from one variable`,
        'Give one of them another name.',
      );
    }
    const file = fileOf(directive);
    if (!service) {
      this.silent.add(file);
      const known = serviceNames(this.sources.protos);
      this.findings.at(
        directive,
        `no proto defines the service "${fullServiceName}"`,
        didYouMean(fullServiceName, known) ?? `The protos define ${known.join(', ') || 'no service'}.`,
      );
      return;
    }
    const upstreams = this.upstreams.get(file) ?? [];
    if (upstreams.some((each) => each.service === service)) {
      this.findings.at(directive, `this file has @upstream for ${fullServiceName} twice`, 'Remove one of them.');
      return;
    }
    upstreams.push({ name, service, timeout: this.timeout(directive, deadline, name) });
    this.upstreams.set(file, upstreams);
  }

  /** Ms that an RPC of a directive may take: its own deadline, else the upstream's; never more than configured. */
  timeoutOf(directive: ConstDirectiveNode, { upstream }: ResolvedRpc): number {
    const { deadline } = argsOf(directive);
    return deadline === undefined ? upstream.timeout : this.timeout(directive, deadline, upstream.name);
  }

  private timeout(directive: ConstDirectiveNode, value: unknown, upstream: string): number {
    const timeout = typeof value === 'string' ? parseDuration(value) : undefined;
    if (timeout) return Math.min(timeout, this.deadlines[upstream] ?? timeout);
    this.findings.at(
      directive,
      `deadline: ${JSON.stringify(value)} is not a length of time`,
      'Write "500ms", "2s" or "1m".',
    );
    return 1;
  }

  /** The RPC of a name, `Method` or `package.Service/Method`, among the services of the directive's file. */
  rpc(directive: ConstDirectiveNode, name: unknown): ResolvedRpc | undefined {
    if (typeof name !== 'string') return undefined;
    const file = fileOf(directive);
    const upstreams = this.upstreams.get(file) ?? [];
    const slash = name.lastIndexOf('/');
    const method = name.slice(slash + 1);
    const candidates =
      slash < 0 ? upstreams : upstreams.filter(({ service }) => serviceName(service) === name.slice(0, slash));
    const found = candidates.flatMap((each) => resolveRpc(each, method) ?? []);
    const [only] = found;
    if (only && found.length === 1) {
      this.note(directive, rpcName(only.method));
      return only;
    }
    if (found.length > 1) {
      const choices = found.map(({ upstream }) => `"${serviceName(upstream.service)}/${method}"`);
      this.findings.at(
        directive,
        `several services of this file have an RPC "${name}"`,
        `Write ${choices.join(' or ')}.`,
      );
    } else if (this.silent.has(file)) {
      // It may be an RPC of the service that was not found.
      return undefined;
    } else if (upstreams.length === 0) {
      this.silent.add(file);
      this.findings.at(
        directive,
        `this file does not say which service has the RPC "${name}"`,
        'Add: extend schema @upstream(name: "...", service: "...").',
      );
    } else {
      const methods = upstreams.flatMap(({ service }) => service.methodsArray.map((each) => each.name));
      this.findings.at(
        directive,
        `${upstreams.map(({ service }) => serviceName(service)).join(' and ')} has no RPC "${name}"`,
        didYouMean(method, methods) ?? `There are ${methods.join(', ')}.`,
      );
    }
    return undefined;
  }

  /** A field of a message; a finding where there is none. */
  field(directive: ConstDirectiveNode, argument: string, type: Type, name: string): Field | undefined {
    const found = findField(type, name);
    if (found) {
      this.note(directive, fieldName(found));
    } else {
      const names = type.fieldsArray.map(jsonName);
      this.findings.at(
        directive,
        `${argument}: ${fullName(type)} has no field "${name}"`,
        didYouMean(name, names) ?? fieldsAre(names),
      );
    }
    return found;
  }

  /** The names of the protos that a directive led to. */
  foundFor(directive: ConstDirectiveNode): readonly ProtoName[] {
    return [...(this.found.get(directive) ?? [])];
  }

  private note(directive: ConstDirectiveNode, name: ProtoName): void {
    this.found.set(directive, (this.found.get(directive) ?? new Set()).add(name));
  }
}

/** The fields that a message has, for a finding about one that it lacks. */
export function fieldsAre(names: readonly string[]): string {
  return names.length === 0 ? 'It has no fields.' : `Its fields are ${names.join(', ')}.`;
}

/** Full name of a service. */
export function serviceName(service: Service): string {
  return service.fullName.slice(1);
}

function fileOf(directive: ConstDirectiveNode): string {
  return directive.loc?.source.name ?? '';
}

function resolveRpc(upstream: UpstreamService, name: string): ResolvedRpc | undefined {
  const method = upstream.service.methodsArray.find((each) => each.name === name)?.resolve() as Method | undefined;
  if (!method?.resolvedRequestType || !method.resolvedResponseType) return undefined;
  return { upstream, method, request: method.resolvedRequestType, response: method.resolvedResponseType };
}

/** Full names of all services below a namespace. */
export function serviceNames(namespace: NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((child) => {
    if (child instanceof Service) return [serviceName(child)];
    return 'nestedArray' in child ? serviceNames(child as NamespaceBase) : [];
  });
}
