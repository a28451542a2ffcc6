import type { Type } from 'protobufjs';
import { declaredOneOf } from './proto-model';
import { ValueError, within } from './value-error';

/**
 * Compiles what must hold of a message before it is written: of a oneof one member at most, and everything that proto2
 * requires.
 *
 * @param nameOf - What a client calls a field, by its name in the proto.
 * @returns undefined where any message will do; the function throws a ValueError
 */
export function messageRules(
  type: Type,
  nameOf: (field: string) => string,
): ((message: Readonly<Record<string, unknown>>) => void) | undefined {
  const isSet = (message: Readonly<Record<string, unknown>>, name: string): boolean =>
    Object.hasOwn(message, name) && message[name] !== undefined;
  const oneOfs = [...new Set(type.fieldsArray.map(declaredOneOf))]
    .filter((oneOf) => oneOf !== undefined)
    .map((oneOf) => oneOf.fieldsArray.map(({ name }) => name))
    .filter((members) => members.length > 1);
  const required = type.fieldsArray.filter((field) => field.required).map(({ name }) => name);
  if (oneOfs.length === 0 && required.length === 0) return undefined;
  return (message) => {
    for (const members of oneOfs) {
      const [first, second] = members.filter((name) => isSet(message, name));
      if (first !== undefined && second !== undefined) {
        const names = [nameOf(first), nameOf(second)] as const;
        throw within(names[1], new ValueError(`only one of ${names.join(' and ')} may be given`));
      }
    }
    for (const name of required) {
      if (!isSet(message, name)) throw within(nameOf(name), new ValueError('is needed'));
    }
  };
}
