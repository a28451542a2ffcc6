import { Type, type Field } from 'protobufjs';
import { isMap } from '../../proto/maps';
import { findField, hasPresence, type DecodedMessage } from '../../proto/proto-model';

/** A field of the message that a GraphQL field belongs to. */
export interface ParentField {
  /** The value of the field; undefined where it is not set. */
  readonly read: (parent: unknown) => unknown;
  /** The proto field, in the first of the messages that the parent may be. */
  readonly source: Field;
  /** True where there is a list of values: the field is repeated, or a message on the way to it. */
  readonly many: boolean;
}

/**
 * Compiles how the field that `$parent.NAME` or a key of @join names is read off the parent.
 *
 * @param messages - Those that the parent's type is read from. All of them must have the field.
 * @param name - May be a path through messages.
 */
export function compileParentField(messages: ReadonlySet<Type>, name: string): ParentField | undefined {
  const paths = new Map<Type, readonly Field[]>();
  for (const message of messages) {
    const path = fieldsOn(message, name.split('.'));
    if (!path) return undefined;
    paths.set(message, path);
  }
  const [first] = paths.values();
  const source = first?.at(-1);
  if (!first || !source) return undefined;
  const many = first.some(({ repeated }) => repeated);
  const isSame = [...paths.values()].every((path) => pathText(path) === pathText(first));
  if (isSame) return { source, many, read: compilePath(first) };
  const readers = new Map([...paths].map(([message, path]) => [message, compilePath(path)]));
  return { source, many, read: (parent) => readers.get((parent as DecodedMessage).$type)?.(parent) };
}

/** The fields on a path; undefined where it leads nowhere. */
function fieldsOn(message: Type, path: readonly string[]): readonly Field[] | undefined {
  const [name, ...rest] = path;
  const field = name === undefined ? undefined : findField(message, name);
  if (!field || rest.length === 0) return field && [field];
  if (!(field.resolvedType instanceof Type) || isMap(field)) return undefined;
  const more = fieldsOn(field.resolvedType, rest);
  return more && [field, ...more];
}

function pathText(path: readonly Field[]): string {
  return path.map(({ name }) => name).join('.');
}

/** Compiles how the value at a path is read: undefined where it is not set; a list where a message on the way is repeated. */
export function compilePath([field, ...rest]: readonly Field[]): (message: unknown) => unknown {
  if (!field) return (value) => value;
  const { name, repeated } = field;
  const presence = hasPresence(field);
  const next = compilePath(rest);
  return (message) => {
    if (presence && !Object.hasOwn(message as object, name)) return undefined;
    const value = (message as DecodedMessage)[name];
    return repeated && rest.length > 0 ? (value as readonly unknown[]).flatMap(next) : next(value);
  };
}
