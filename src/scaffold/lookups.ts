import { Type, type Field, type Method } from 'protobufjs';
import { isMap } from '../proto/maps';
import { jsonName } from '../proto/proto-model';
import { isKey, isObject } from './fields';
import { pascalCase, singulars, snakeCase } from './names';
import { isNeeded, isRead, requestOf, responseOf } from './rpcs';
import type { SdlDirective } from './sdl';
import { isSaidRequired, wrappedField } from './types';

/** How the objects of a message are found by key. */
export interface FoundLookup {
  readonly method: Method;
  readonly message: Type;
  readonly directive: SdlDirective;
  /** True where one call takes many keys. */
  readonly isBatch: boolean;
  /** The fields of the message that hold its key. */
  readonly match: readonly Field[];
}

/** The look-ups that a service has RPCs for, by message. An RPC that takes many keys is preferred. */
export function findLookups(methods: readonly Method[]): ReadonlyMap<Type, FoundLookup> {
  const unary = methods.filter((method) => isRead(method, methods) && !method.requestStream && !method.responseStream);
  const found = new Map<Type, FoundLookup>();
  for (const lookup of [...unary.flatMap((method) => batchOf(method) ?? []), ...singles(unary)]) {
    if (!found.has(lookup.message)) found.set(lookup.message, lookup);
  }
  return found;
}

/** True for the name of an RPC that finds objects by many keys. */
function isBatchName(name: string): boolean {
  return /^(Batch|Multi|Bulk)_?Get|^Get\w+ByIds$/.test(name);
}

function batchOf(method: Method): FoundLookup | undefined {
  if (!isBatchName(method.name)) return undefined;
  const request = requestOf(method);
  const [keys, ...otherLists] = request.fieldsArray.filter((field) => field.repeated && !isMap(field));
  const [items, ...moreItems] = responseOf(method).fieldsArray.filter(isList);
  if (!keys || !items || otherLists.length + moreItems.length > 0) return undefined;
  if (request.fieldsArray.some((field) => field !== keys && isNeeded(method, field))) return undefined;
  const message = items.resolvedType as Type;
  const parts = partsOf(keys, message);
  if (!parts) return undefined;
  return {
    method,
    message,
    isBatch: true,
    match: parts.map(({ match }) => match),
    directive: {
      name: 'lookup',
      args: {
        rpc: method.name,
        keys: parts.map(({ key }) => key).join(' '),
        items: jsonName(items),
        match: parts.map(({ match }) => jsonName(match)).join(' '),
      },
    },
  };
}

/** A repeated field whose items are objects. */
function isList(field: Field): boolean {
  return field.repeated && !isMap(field) && field.resolvedType instanceof Type && isObject(field.resolvedType);
}

interface KeyPart {
  /** As `keys:` names it. */
  readonly key: string;
  readonly match: Field;
}

/** The parts of the keys that a repeated field takes, each with the field of the object that holds it. */
function partsOf(keys: Field, message: Type): KeyPart[] | undefined {
  if (!(keys.resolvedType instanceof Type)) {
    const match = isKeyType(keys) && matchOf(message, keys.type, singulars(keys.name));
    return match ? [{ key: jsonName(keys), match }] : undefined;
  }
  const parts = keys.resolvedType.fieldsArray
    .filter((field) => isKey(field) || isSaidRequired(field))
    .map((field) => ({
      key: `${jsonName(keys)}.${jsonName(field)}`,
      match: matchOf(message, field.type, [field.name]),
    }));
  return parts.length > 0 && parts.every((part): part is KeyPart => part.match !== undefined) ? parts : undefined;
}

function isKeyType(field: Field): boolean {
  return /^(string|s?u?int(32|64)|s?fixed(32|64))$/.test(field.type);
}

/** The field of an object that holds what a request knows by one of the names: `id` of a User for `user_id`, and so on. */
function matchOf(message: Type, type: string, names: readonly string[]): Field | undefined {
  const own = snakeCase(message.name);
  const candidates = names.map(snakeCase).flatMap((name) => [
    name,
    ...(name.startsWith(`${own}_`) ? [name.slice(own.length + 1)] : [`${own}_${name}`]),
    // A parameter named like the object itself holds its name: `topic` of GetTopic.
    ...(name === own ? ['name', 'id'] : []),
  ]);
  return candidates
    .map((name) =>
      message.fieldsArray.find((field) => snakeCase(field.name) === name && field.type === type && isKey(field)),
    )
    .find((field) => field !== undefined);
}

/** The RPCs that find one object, those named like it first: GetBook before GetBookByIsbn. */
function singles(methods: readonly Method[]): FoundLookup[] {
  return methods.flatMap((method) => singleOf(method) ?? []).sort((a, b) => Number(isPlain(b)) - Number(isPlain(a)));
}

function isPlain({ method, message }: FoundLookup): boolean {
  return method.name === `Get${message.name}`;
}

function singleOf(method: Method): FoundLookup | undefined {
  const message = responseOf(method);
  const parts = keyOf(method, message);
  const keys = new Set(parts.map(({ key }) => key));
  const isEnough = !requestOf(method).fieldsArray.some((field) => !keys.has(field) && isNeeded(method, field));
  if (keys.size === 0 || !isEnough) return undefined;
  return {
    method,
    message,
    isBatch: false,
    match: parts.map(({ match }) => match),
    directive: { name: 'lookup', args: { rpc: method.name, key: parts.map(({ key }) => jsonName(key)).join(' ') } },
  };
}

/** The request's fields by which an RPC such as GetUser finds its one object. */
export function keyFields(method: Method): Field[] {
  const answer = wrappedField(responseOf(method))?.resolvedType;
  const message = answer instanceof Type ? answer : responseOf(method);
  return keyOf(method, message).map(({ key }) => key);
}

interface KeyMatch {
  readonly key: Field;
  /** The field of the object that holds it. */
  readonly match: Field;
}

function keyOf(method: Method, message: Type): KeyMatch[] {
  if (!/^(Get|Read|Fetch|Find|Lookup|Describe)/.test(pascalCase(method.name)) || !isObject(message)) return [];
  const shared = requestOf(method)
    .fieldsArray.filter(isKey)
    .map((key) => ({ key, match: matchOf(message, key.type, [key.name]) }))
    .filter((part): part is KeyMatch => part.match !== undefined);
  const named = shared.filter(({ key }) => isNeeded(method, key) || /(^|_)(u?id|name|key)$/.test(snakeCase(key.name)));
  return named.length > 0 || shared.length > 1 ? named : shared;
}
