import type { Field, Method, Type } from 'protobufjs';
import { hasSideEffects } from '../schema/side-effects';
import { hasBehavior, httpRule } from './annotations';
import { isName, lowerCamelCase, pascalCase, serviceWord } from './names';

export type RootType = 'Query' | 'Mutation' | 'Subscription';

/** The message that an RPC takes. */
export function requestOf(method: Method): Type {
  return (method.resolve() as Method).resolvedRequestType as Type;
}

/** The message that an RPC answers, once or many times. */
export function responseOf(method: Method): Type {
  return (method.resolve() as Method).resolvedResponseType as Type;
}

/**
 * True for an RPC that changes nothing: by its idempotency_level or google.api.http; where its service sets neither, by its name.
 */
export function isRead(method: Method, all: readonly Method[]): boolean {
  if (hasSideEffects(method, all)) return false;
  const isSaid =
    all.some((each) => each.getOption('idempotency_level') !== undefined) || httpRule(method) !== undefined;
  return isSaid || /^(Get|List|BatchGet|Search|Lookup|Check)(?![a-z])/.test(pascalCase(method.name));
}

/** True for a field that every call must set. */
export function isNeeded(method: Method, field: Field): boolean {
  const isInPath = httpRule(method)?.pathFields.includes(field.name) ?? false;
  return field.required || hasBehavior(field, 'REQUIRED') || isInPath;
}

/** The root type whose field an RPC answers. */
export function rootOf(method: Method, all: readonly Method[]): RootType {
  if (method.responseStream) return 'Subscription';
  return isRead(method, all) ? 'Query' : 'Mutation';
}

/**
 * Names for the root field of an RPC, the best first: `user` for GetUser, `users` for ListUsers; others keep their verb. A bare
 * verb is followed by the service's name.
 */
export function rootFieldNames(method: Method, root: RootType, service: string): string[] {
  const rpc = pascalCase(method.name);
  const whole = isBareVerb(rpc) ? rpc + pascalCase(serviceWord(service)) : rpc;
  const noun = /^(?:Get|List)(?=[A-Z0-9])(.+)$/.exec(whole)?.[1];
  const names =
    root === 'Query' && noun !== undefined ? [lowerCamelCase(noun), lowerCamelCase(whole)] : [lowerCamelCase(whole)];
  return names.filter(isName);
}

function isBareVerb(name: string): boolean {
  return /^(Get|List|Create|Update|Delete|Search|Check|Watch|Add|Remove|Set|Put|Patch|Find|Query|Ping)$/.test(name);
}
