import { print, valueFromASTUntyped, type ConstValueNode } from 'graphql';
import { Enum, type Type, type Field } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { isMap } from '../../proto/maps';
import { enumNames, fieldKind, fullName, jsonName, numberOfValue } from '../../proto/proto-model';
import { noteUsage, valueName } from '../proto-usage';
import type { SchemaField } from '../resolver-context';

/** Compiles a constant of `request:`; findings where it does not fit the field that it fills. */
export function compileConstant(field: SchemaField, target: Field, node: ConstValueNode, findings: Findings): unknown {
  const value = valueFromASTUntyped(node);
  const { resolvedType } = target;
  if (resolvedType instanceof Enum && !target.repeated) {
    return compileEnumConstant(field, resolvedType, String(value), node, findings);
  }
  if (resolvedType) {
    findings.at(node, `${jsonName(target)}: a message needs an object`, 'Write { FIELD: VALUE }.');
  } else if (!fits(target, value)) {
    findings.at(
      node,
      `${print(node)} is not ${fieldKind(target)}, as ${jsonName(target)} of ${fullName(target.parent as Type)} is`,
      'A text that begins with $ is a reference, such as "$args.NAME"; all else is a constant.',
    );
  }
  return value;
}

function compileEnumConstant(
  field: SchemaField,
  type: Enum,
  name: string,
  node: ConstValueNode,
  findings: Findings,
): number | undefined {
  const number = enumNames(type).numberOf.get(name) ?? numberOfValue(type, name);
  if (number === undefined) {
    const names = Object.keys(type.values);
    findings.at(
      node,
      `${fullName(type)} has no value ${name}`,
      didYouMean(name, names) ?? `Its values are ${names.join(', ')}.`,
    );
  } else {
    noteUsage(field, valueName(type, type.valuesById[number] ?? ''));
  }
  return number;
}

function fits(target: Field, value: unknown): boolean {
  if (target.repeated) return Array.isArray(value) && value.every((item) => fitsScalar(target.type, item));
  return !isMap(target) && fitsScalar(target.type, value);
}

function fitsScalar(type: string, value: unknown): boolean {
  if (type === 'string' || type === 'bytes') return typeof value === 'string';
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'float' || type === 'double') return typeof value === 'number';
  // Text holds every digit of 64 bits, which a number in SDL does not.
  return Number.isInteger(value) || (type.includes('64') && /^-?\d+$/.test(String(value)));
}
