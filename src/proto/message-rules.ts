import type { Type } from 'protobufjs';
import { declaredOneOf } from './proto-model';
import { ValueError, within } from './value-error';

/**
 * Compiles the check that a message must pass before it is written: at most one member of each oneof is set, and every
 * field that proto2 requires.
 *
 * @param nameOf - The name that clients know a field by, given its name in the proto.
 * @returns undefined where every message passes; else a function that throws a ValueError
 */
export function compileMessageRules(
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
