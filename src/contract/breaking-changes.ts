import type { Root } from 'protobufjs';
import { usageOf, type ProtoName } from '../schema/proto-usage';
import { signInPaths } from '../signin/routes';
import { signInUses, type Purpose } from './check-sign-in';
import type { Contract } from './contract';
import { mapOf, routeName, type GatewayMap } from './gateway-map';
import { protoChanges } from './proto-changes';
import { routeChanges } from './route-changes';
import { schemaChanges } from './schema-changes';

/** A change that callers, servers or clients do not survive. */
export interface BreakingChange {
  readonly in: 'proto' | 'schema' | 'rest';
  /** One sentence. */
  readonly message: string;
  /** Coordinates of the older schema that it takes down, such as `Query.user` and `Query.users(search:)`. */
  readonly fields: readonly string[];
  /** Routes that it takes down, such as `GET /api/v1/users/me`. */
  readonly routes: readonly string[];
}

/** A contract with what it was made from. */
export interface Side {
  readonly contract: Contract;
  readonly protos: Root;
}

/** What a contract has become. */
export interface Successor {
  readonly protos: Root;
  /** Left out where its SDL is not valid: then protos alone are compared. */
  readonly contract?: Contract | undefined;
  /** False where something in it does not fit: a route that is not there may then be one that does not fit. */
  readonly complete: boolean;
}

/** What breaks between two contracts, with what each change takes down of the older one. */
export function breakingChanges(before: Side, after: Successor): BreakingChange[] {
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

type Taken = Pick<BreakingChange, 'fields' | 'routes'>;

/** What stands on what, in one contract. */
class Impact {
  private readonly usage: ReadonlyMap<ProtoName, ReadonlySet<string>>;
  private readonly map: GatewayMap;
  private readonly signIn: ReadonlyMap<Purpose, readonly ProtoName[]>;

  constructor({ contract, protos }: Side) {
    this.usage = usageOf(contract.schema);
    this.map = mapOf(contract);
    this.signIn = signInUses(protos);
  }

  ofNames(names: readonly ProtoName[]): Taken {
    const coordinates = new Set(names.flatMap((name) => [...(this.usage.get(name) ?? [])]));
    const routes = new Set(this.routesOn((coordinate) => coordinates.has(coordinate)));
    const touches = (purpose: Purpose): boolean =>
      this.signIn.get(purpose)?.some((name) => names.includes(name)) === true;
    if (touches('sign-in')) routes.add(`GET ${signInPaths.callback}`);
    if (touches('sign-out')) routes.add(`POST ${signInPaths.logout}`);
    if (touches('sessions')) {
      // Without it nobody is signed in.
      for (const { coordinate, access } of this.map.fields) if (isProtected(access)) coordinates.add(coordinate);
      for (const route of this.map.routes) if (isProtected(route.access)) routes.add(routeName(route));
    }
    return { fields: [...coordinates].sort(), routes: [...routes].sort() };
  }

  /** @param coordinate - A type stands for everything in it. */
  ofCoordinate(coordinate: string): Taken {
    const isIn = (other: string): boolean => other === coordinate || other.startsWith(`${coordinate}.`);
    return { fields: [coordinate], routes: [...new Set(this.routesOn(isIn))].sort() };
  }

  private routesOn(takesDown: (coordinate: string) => boolean): string[] {
    return this.map.routes.filter(({ coordinates }) => coordinates.some(takesDown)).map(routeName);
  }
}
