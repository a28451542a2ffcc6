import {
  Enum,
  Field,
  Namespace,
  Service,
  Type,
  types,
  util,
  type NamespaceBase,
  type ReflectionObject,
  type Root,
} from 'protobufjs';
import { isGroup } from '../internals/protobufjs';
import { ProtoError } from './proto-error';

/**
 * Makes what was read from text and from descriptors the same: references and the names of options as full names, groups
 * called as on the wire, `json_name` only where it says something.
 *
 * protobufjs would resolve references by itself, but also looks inside the messages beside a field, where the language
 * looks outwards only.
 *
 * @param shown - A file as a person would type it.
 * @param lineWith - The line of a file that has all of some words; 0 where it is not known.
 * @throws ProtoError for a reference to what no file defines
 */
export function completeNames(
  root: Root,
  shown: (file: string) => string,
  lineWith: (file: string, words: readonly string[]) => number,
): void {
  const resolve = (object: ReflectionObject, scope: NamespaceBase, name: string): string => {
    const found = resolveName(scope, name, (each) => each instanceof Type || each instanceof Enum);
    if (found) return found.fullName;
    const file = object.filename ?? '';
    throw new ProtoError(
      shown(file),
      `${object.fullName.slice(1)} refers to "${withoutDot(name)}", which no file defines that is read`,
      { fix: 'Import the file that defines it.', line: lineWith(file, [name, object.name]) },
    );
  };
  for (const object of objectsBelow(root)) {
    completeOptions(object);
    if (object instanceof Type) {
      completeGroups(object);
      for (const field of object.fieldsArray) {
        // A field that an extension put here is resolved where the extension is.
        if (!field.declaringField) completeField(field, object, resolve);
        completeOptions(field);
      }
    } else if (object instanceof Service) {
      for (const method of object.methodsArray) {
        method.requestType = resolve(method, object, method.requestType);
        method.responseType = resolve(method, object, method.responseType);
        completeOptions(method);
      }
    } else if (object instanceof Field && object.parent) {
      completeField(object, object.parent, resolve);
      completeExtension(object);
    }
  }
  root.resolveAll();
  // Resolved, references no longer need their dots, which would only be in the way of whoever reads them.
  for (const object of objectsBelow(root)) {
    if (object instanceof Field) object.type = withoutDot(object.type);
    if (object instanceof Type) for (const field of object.fieldsArray) field.type = withoutDot(field.type);
    if (!(object instanceof Service)) continue;
    for (const method of object.methodsArray) {
      method.requestType = withoutDot(method.requestType);
      method.responseType = withoutDot(method.responseType);
    }
  }
}

/** The field of a group is called as its message, all in lower case. */
function completeGroups(type: Type): void {
  const isOfGroup = (field: Field): boolean => isGroup(type.nested?.[field.type]);
  if (!type.fieldsArray.some(isOfGroup)) return;
  // All of them, so that they stay in order.
  for (const field of type.fieldsArray) {
    type.remove(field);
    if (isOfGroup(field)) field.name = field.type.toLowerCase();
    type.add(field);
  }
}

type Resolve = (object: ReflectionObject, scope: NamespaceBase, name: string) => string;

function completeField(field: Field, scope: NamespaceBase, resolve: Resolve): void {
  if (!Object.hasOwn(types.basic, field.type)) field.type = resolve(field, scope, field.type);
  if (field.getOption('json_name') === util.jsonName(field.name)) removeOption(field, 'json_name');
}

/** What protobufjs put into the extended message is a copy. */
function completeExtension(field: Field): void {
  const copy = field.extensionField;
  if (!copy?.parent) return;
  field.extend = copy.parent.fullName.slice(1);
  copy.type = field.type;
  if (field.options) copy.options = field.options;
  else delete copy.options;
}

function withoutDot(name: string): string {
  return name.replace(/^\./, '');
}

function removeOption(field: Field, name: string): void {
  delete field.options?.[name];
  if (Object.keys(field.options ?? {}).length === 0) delete field.options;
}

/** `(http).get` of google.api becomes `(google.api.http).get`, wherever it is used. */
function completeOptions(object: ReflectionObject): void {
  const complete = (name: string): string =>
    name.replace(/^\(\.?([\w.]+)\)/, (whole, extension: string) => {
      const found = resolveName(object.parent ?? object.root, extension, (each) => each instanceof Field);
      return found ? `(${found.fullName.slice(1)})` : whole;
    });
  const rename = (options: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(options).map(([name, value]) => [complete(name), value]));
  if (object.options) object.options = rename(object.options);
  if (object.parsedOptions) object.parsedOptions = object.parsedOptions.map(rename);
}

/**
 * Finds what a name means in a scope: the innermost that has it wins. A first part that leads nowhere does not hide one
 * further out, as it would for protoc, since here every package is in sight and not just the imported ones.
 */
function resolveName(
  scope: NamespaceBase,
  name: string,
  isWanted: (object: ReflectionObject) => boolean,
): ReflectionObject | undefined {
  const parts = name.split('.');
  if (parts[0] === '') return memberOf(scope.root, parts.slice(1), isWanted);
  for (let place: NamespaceBase | null = scope; place; place = place.parent) {
    const found = memberOf(place, parts, isWanted);
    if (found) return found;
  }
  return undefined;
}

function memberOf(
  scope: NamespaceBase,
  parts: readonly string[],
  isWanted: (object: ReflectionObject) => boolean,
): ReflectionObject | undefined {
  let found: ReflectionObject | undefined = scope;
  for (const part of parts) {
    const { nested } = found as NamespaceBase;
    found = nested && Object.hasOwn(nested, part) ? nested[part] : undefined;
    if (!found) return undefined;
  }
  return isWanted(found) ? found : undefined;
}

function objectsBelow(namespace: NamespaceBase): ReflectionObject[] {
  return namespace.nestedArray.flatMap((object) =>
    object instanceof Namespace ? [object, ...objectsBelow(object)] : [object],
  );
}
