import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  type GraphQLEnumType,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';
import { Enum, Type, type Field, type Method } from 'protobufjs';
import { fullName } from '../proto/proto-model';

/** The full name of something in the protos: `package.Message.field`, `package.Enum.VALUE` or `package.Service/Method`. */
export type ProtoName = string;

/** A field, an argument, an input field or an enum value of the schema. */
interface Element {
  extensions: Readonly<Record<string, unknown>>;
}

const mark = 'uses';

/** Notes that an element of the schema is read from, or written to, these names of the protos. */
export function noteUsage(element: Element, ...names: readonly ProtoName[]): void {
  element.extensions = { ...element.extensions, [mark]: new Set([...usedBy(element), ...names]) };
}

/** The names that an element is read from or written to. */
export function usedBy({ extensions }: Element): ReadonlySet<ProtoName> {
  return (extensions[mark] as ReadonlySet<ProtoName> | undefined) ?? new Set();
}

export function fieldName(field: Field): ProtoName {
  return `${fullName(field.parent as Type)}.${field.name}`;
}

export function rpcName(method: Method): ProtoName {
  return `${method.parent?.fullName.slice(1) ?? ''}/${method.name}`;
}

export function valueName(type: Enum, value: string): ProtoName {
  return `${fullName(type)}.${value}`;
}

/** Every name that a message contains, at any depth: for an element that takes the message whole, as JSON. */
export function namesWithin(type: Type): ProtoName[] {
  const types = new Set<Type>([type]);
  const enums = new Set<Enum>();
  for (const each of types) {
    for (const { resolvedType } of each.fieldsArray) {
      if (resolvedType instanceof Type) types.add(resolvedType);
      if (resolvedType instanceof Enum) enums.add(resolvedType);
    }
  }
  return [
    ...[...types].flatMap((each) => each.fieldsArray.map(fieldName)),
    ...[...enums].flatMap((each) => Object.keys(each.values).map((value) => valueName(each, value))),
  ];
}

/**
 * The coordinates of a compiled schema that depend on each name of the protos: `Type.field`, `Type.field(argument:)`,
 * `Input.field`, `Enum.VALUE`. A field or an argument of an enum type depends on all of the enum's values too.
 */
export function usageOf(schema: GraphQLSchema): ReadonlyMap<ProtoName, ReadonlySet<string>> {
  const usage = new Map<ProtoName, Set<string>>();
  const add = (
    coordinate: string,
    element: Element,
    type: GraphQLNamedType | undefined,
    except: readonly ProtoName[] = [],
  ): void => {
    for (const name of [...usedBy(element), ...(isEnumType(type) ? usedByValues(type) : [])]) {
      if (except.includes(name)) continue;
      const coordinates = usage.get(name) ?? new Set();
      usage.set(name, coordinates.add(coordinate));
    }
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        const coordinate = `${type.name}.${field.name}`;
        // The names that an argument fills count for the argument alone.
        const byArguments = field.args.flatMap((argument) => [...usedBy(argument)]);
        add(coordinate, field, getNamedType(field.type), byArguments);
        for (const argument of field.args) {
          add(`${coordinate}(${argument.name}:)`, argument, getNamedType(argument.type));
        }
      }
    } else if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        add(`${type.name}.${field.name}`, field, getNamedType(field.type));
      }
    } else if (isEnumType(type)) {
      for (const value of type.getValues()) add(`${type.name}.${value.name}`, value, undefined);
    }
  }
  return usage;
}

function usedByValues(type: GraphQLEnumType): ProtoName[] {
  return type.getValues().flatMap((value) => [...usedBy(value)]);
}
