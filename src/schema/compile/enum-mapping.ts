import type { GraphQLEnumType } from 'graphql';
import type { Enum } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { enumNames, fullName, numberOfValue } from '../../proto/proto-model';
import { directiveArgs } from '../directive-nodes';
import { noteUsage, valueName } from '../proto-usage';

/** A GraphQL enum over a proto enum. */
export interface EnumMapping {
  /** GraphQL name by number; null for "not said". Numbers that the proto does not define are missing. */
  readonly nameOf: ReadonlyMap<number, string | null>;
  /** Number by GraphQL name. */
  readonly numberOf: ReadonlyMap<string, number>;
}

/** Compiles the mapping of a GraphQL enum to a proto enum; findings for values that the proto does not have. */
export function compileEnumMapping(type: GraphQLEnumType, source: Enum, findings: Findings): EnumMapping {
  const natural = enumNames(source);
  const nameOf = new Map(natural.nameOf);
  const numberOf = new Map<string, number>();
  for (const value of type.getValues()) {
    const { name, astNode } = value;
    const renamed = directiveArgs(astNode, 'proto')?.['field'] as string | undefined;
    const number = renamed === undefined ? natural.numberOf.get(name) : numberOfValue(source, renamed);
    if (number === undefined) {
      const known = renamed === undefined ? [...natural.numberOf.keys()] : Object.keys(source.values);
      findings.at(
        astNode,
        `${type.name}.${name}: ${fullName(source)} has no value "${renamed ?? name}"`,
        didYouMean(renamed ?? name, known) ?? `Its values are ${known.join(', ')}.`,
      );
      continue;
    }
    noteUsage(value, valueName(source, renamed ?? source.valuesById[number] ?? name));
    // A number goes out by the name that the SDL lists for it, the unspecified one too; by the first of several.
    if (![...numberOf.values()].includes(number)) nameOf.set(number, name);
    numberOf.set(name, number);
  }
  return { nameOf, numberOf };
}

/** Findings for values that an upstream may send and the GraphQL enum lacks. */
export function checkShown(type: GraphQLEnumType, source: Enum, mapping: EnumMapping, findings: Findings): void {
  const listed = new Set(mapping.numberOf.values());
  const hidden = [...mapping.nameOf].flatMap(([number, name]) => (name === null || listed.has(number) ? [] : [name]));
  if (hidden.length === 0) return;
  findings.at(
    type.astNode,
    `${type.name} lacks ${hidden.join(', ')} of ${fullName(source)}`,
    'Add what is missing: an upstream may send it.',
  );
}
