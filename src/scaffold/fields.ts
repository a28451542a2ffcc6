import { Enum, Type, type Field } from 'protobufjs';
import { isMap } from '../proto/maps';
import { findField, fullName, jsonName } from '../proto/proto-model';
import { scalarChoices, wellKnown } from '../proto/scalar-conversions';
import { asName, NameScope } from './names';
import type { SdlDirective } from './sdl';

/** The GraphQL type of a field's value: a scalar of that name, an enum, or an object. */
export type Shape = string | Enum | Type;

/** A field of a message, with its name in GraphQL. */
export interface NamedField {
  readonly field: Field;
  readonly name: string;
  /** @proto, where the name alone does not lead to the field. */
  readonly directives: readonly SdlDirective[];
}

/** The fields of a message that GraphQL can show, with names; without extensions. */
export function namedFields(type: Type): NamedField[] {
  const scope = new NameScope();
  return type.fieldsArray.flatMap((field) => {
    if (!/^\w+$/.test(field.name)) return [];
    const address = [jsonName(field), field.name].find((each) => findField(type, each) === field);
    if (address === undefined) return [];
    const name = scope.take([jsonName(field), asName(jsonName(field)), asName(field.name)], field.name);
    return [{ field, name, directives: renamed(type, field, name) }];
  });
}

/** @proto, where a name alone does not lead to a field. */
export function renamed(type: Type, field: Field, name: string): SdlDirective[] {
  if (findField(type, name) === field) return [];
  const address = [jsonName(field), field.name].find((each) => findField(type, each) === field);
  return [{ name: 'proto', args: { field: address ?? field.name } }];
}

/** True for a message that is an object in GraphQL, rather than a scalar. */
export function isObject(type: Type): boolean {
  return !wellKnown(type) && fullName(type) !== 'google.protobuf.Any' && namedFields(type).length > 0;
}

export function shapeOf(field: Field): Shape {
  const { resolvedType } = field;
  if (isMap(field)) return 'JSON';
  if (resolvedType instanceof Enum) return resolvedType;
  if (resolvedType instanceof Type && isObject(resolvedType)) return resolvedType;
  const choices = scalarChoices(field) ?? [];
  if (isId(field) && choices.includes('ID')) return 'ID';
  return choices[0] ?? 'JSON';
}

/** True for a field that is named like an id and holds text or 64-bit numbers. */
function isId(field: Field): boolean {
  return /^(.*_)?ids?$|[a-z]Ids?$/.test(field.name) && (scalarChoices(field)?.[0] === 'BigInt' || isText(field));
}

function isText(field: Field): boolean {
  return field.type === 'string' || field.type.endsWith('google.protobuf.StringValue');
}

/** True for a single field that can be a key: text, or a whole number. */
export function isKey(field: Field): boolean {
  return !field.repeated && !isMap(field) && /^(string|s?u?int(32|64)|s?fixed(32|64))$/.test(field.type);
}

/** True for a single google.protobuf.FieldMask. */
export function isMask(field: Field): boolean {
  return (
    !field.repeated &&
    !isMap(field) &&
    field.resolvedType instanceof Type &&
    fullName(field.resolvedType) === 'google.protobuf.FieldMask'
  );
}
