import type { Root } from 'protobufjs';
import { usageOf, type ProtoName } from '../schema/proto-usage';
import { signInPaths } from '../signin/routes';
import { signInUsage, type Purpose } from './check-sign-in';
import type { Contract } from './contract';
import { mapOf, policyText, routeName, type GatewayMap } from './gateway-map';
import { protoChanges } from './proto-changes';
import { routeChanges } from './route-changes';
import { schemaChanges } from './schema-changes';

/** A change that breaks callers, servers or clients. */
export interface BreakingChange {
  readonly in: 'proto' | 'schema' | 'rest';
  /** One sentence. */
  readonly message: string;
  /** The coordinates of the older schema that it breaks, such as `Query.user` and `Query.users(search:)`. */
  readonly fields: readonly string[];
  /** The routes that it breaks, such as `GET /api/v1/users/me`. */
  readonly routes: readonly string[];
}

/** A contract to compare with, and the protos that it was compiled from. */
export interface OlderContract {
  readonly contract: Contract;
  readonly protos: Root;
}

/** What that contract has become. */
export interface NewerContract {
  readonly protos: Root;
  /** Left out where the SDL is not valid: then only protos are compared. */
  readonly contract?: Contract | undefined;
  /** False where it has findings: a missing route may then be one that does not fit, and was not removed. */
  readonly complete: boolean;
}

/** The breaking changes between two contracts, each with the fields and routes of the older one that it breaks. */
export function breakingChanges(before: OlderContract, after: NewerContract): BreakingChange[] {
  const impact = new Impact(before);
  const changes: BreakingChange[] = protoChanges(before.protos, after.protos).map(({ message, names }) => ({
    in: 'proto',
    message,
    ...impact.ofNames(names),
  }));
  const { contract } = after;
  if (!contract) return changes;
  for (const { message, coordinate } of schemaChanges(before.contract.schema, contract.schema)) {
    changes.push({ in: 'schema', message, ...impact.ofCoordinate(coordinate) });
  }
  for (const { message, route } of routeChanges(before.contract, { ...contract, complete: after.complete })) {
    changes.push({ in: 'rest', message, fields: [], routes: [route] });
  }
  return changes;
}

function isProtected(access: string): boolean {
  return access !== 'public' && access !== 'as its object';
}

type Broken = Pick<BreakingChange, 'fields' | 'routes'>;

/** Which fields and routes of a contract depend on what. */
class Impact {
  private readonly usage: ReadonlyMap<ProtoName, ReadonlySet<string>>;
  private readonly map: GatewayMap;
  private readonly signIn: ReadonlyMap<Purpose, readonly ProtoName[]>;

  constructor({ contract, protos }: OlderContract) {
    this.usage = usageOf(contract.schema);
    this.map = mapOf(contract);
    this.signIn = signInUsage(protos);
  }

  ofNames(names: readonly ProtoName[]): Broken {
    const coordinates = new Set(names.flatMap((name) => [...(this.usage.get(name) ?? [])]));
    const routes = new Set(this.routesOn((coordinate) => coordinates.has(coordinate)));
    const touches = (purpose: Purpose): boolean =>
      this.signIn.get(purpose)?.some((name) => names.includes(name)) === true;
    if (touches('sign-in')) routes.add(`GET ${signInPaths.callback}`);
    if (touches('sign-out')) routes.add(`POST ${signInPaths.logout}`);
    if (touches('policies')) {
      const isAsked = ({ access }: { readonly access: string }): boolean => access.includes(policyText);
      for (const field of this.map.fields.filter(isAsked)) coordinates.add(field.coordinate);
      for (const route of this.map.routes.filter(isAsked)) routes.add(routeName(route));
    }
    if (touches('sessions')) {
      // Without sessions nobody is signed in.
      for (const { coordinate, access } of this.map.fields) if (isProtected(access)) coordinates.add(coordinate);
      for (const route of this.map.routes) if (isProtected(route.access)) routes.add(routeName(route));
    }
    return { fields: [...coordinates].sort(), routes: [...routes].sort() };
  }

  /** @param coordinate - A type stands for everything in it. */
  ofCoordinate(coordinate: string): Broken {
    const isIn = (other: string): boolean => other === coordinate || other.startsWith(`${coordinate}.`);
    return { fields: [coordinate], routes: [...new Set(this.routesOn(isIn))].sort() };
  }

  private routesOn(breaks: (coordinate: string) => boolean): string[] {
    return this.map.routes.filter(({ coordinates }) => coordinates.some(breaks)).map(routeName);
  }
}
