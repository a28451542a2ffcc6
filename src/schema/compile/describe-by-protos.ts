import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { Enum, Service, Type, type Root } from 'protobufjs';
import { descriptionOf } from '../../proto/descriptions';
import { directiveOn } from '../directive-nodes';
import { isConnection } from '../object-types';
import { usedBy, type ProtoName } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import { pagingNames } from './connection';

/** What the fields of a compiled schema are answered by. */
interface Answers {
  /** The messages that the fields of a type are read from. */
  readonly messagesOf: (type: GraphQLObjectType) => ReadonlySet<Type>;
  /** The fields with @grpc, each with its RPC; others may be among them. */
  readonly answered: readonly { readonly field: SchemaField; readonly source: ProtoName }[];
}

interface Describable {
  description?: string | null | undefined;
  extensions: Readonly<Record<string, unknown>>;
}

/**
 * Gives every element that the SDL does not describe the comment of the proto element that it stands for, unless it stands for
 * several. To be called once everything is compiled.
 */
export function describeByProtos(schema: GraphQLSchema, protos: Root, { messagesOf, answered }: Answers): void {
  const describe = (element: Describable, names: readonly ProtoName[]): void => {
    const [name, ...others] = names;
    if (element.description || name === undefined || others.length > 0) return;
    element.description = descriptionOf(commentOf(protos, name));
  };
  const describeField = (field: GraphQLField<unknown, unknown>): void => {
    // What an argument fills describes the argument, not the field.
    const byArguments = new Set(field.args.flatMap((argument) => [...usedBy(argument)]));
    describe(
      field,
      [...usedBy(field)].filter((name) => !byArguments.has(name)),
    );
    for (const argument of field.args) {
      // The gateway pages in its own way, which the proto does not describe.
      if (isConnection(getNamedType(field.type)) && pagingNames.has(argument.name)) continue;
      describe(argument, [...usedBy(argument)]);
    }
  };
  for (const { field, source } of answered) if (directiveOn(field.astNode, 'grpc')) describe(field, [source]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) describeField(field);
    } else if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) describe(field, [...usedBy(field)]);
    } else if (isEnumType(type)) {
      for (const value of type.getValues()) describe(value, [...usedBy(value)]);
    }
    if (!isObjectType(type)) continue;
    const [message, ...others] = messagesOf(type);
    if (message && others.length === 0) type.description ||= descriptionOf(message.comment);
  }
}

/** The comment of what has a name in the protos; nothing where there is none. */
function commentOf(protos: Root, name: ProtoName): string | null | undefined {
  const [, owner = '', member = ''] = /^(.*)[./]([^./]+)$/.exec(name) ?? [];
  const found = protos.lookup(owner);
  if (found instanceof Type) return found.fields[member]?.comment;
  if (found instanceof Service) return found.methods[member]?.comment;
  return found instanceof Enum ? found.comments[member] : undefined;
}
