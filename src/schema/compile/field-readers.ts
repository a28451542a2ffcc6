import type { GraphQLObjectType } from 'graphql';
import type { Type } from 'protobufjs';
import { reading } from '../../execution/resolver-needs';
import { typed } from '../../proto/conversion';
import type { DecodedMessage } from '../../proto/proto-model';
import type { SchemaField } from '../resolver-context';

/** Reads one GraphQL field off a decoded message. */
export type FieldReader = (message: DecodedMessage) => unknown;

/** The messages that each object type is read from, and how each of its fields is read off each of them. */
export class FieldReaders {
  private readonly messages = new Map<GraphQLObjectType, Set<Type>>();
  private readonly readers = new Map<SchemaField, Map<Type, FieldReader>>();

  messagesOf(type: GraphQLObjectType): ReadonlySet<Type> {
    return this.messages.get(type) ?? new Set();
  }

  /** @returns false where the type is read from the message already. */
  addMessage(type: GraphQLObjectType, message: Type): boolean {
    const messages = this.messages.get(type) ?? new Set<Type>();
    if (messages.has(message)) return false;
    this.messages.set(type, messages.add(message));
    return true;
  }

  set(field: SchemaField, message: Type, reader: FieldReader): void {
    const readers = this.readers.get(field) ?? new Map<Type, FieldReader>();
    this.readers.set(field, readers.set(message, reader));
  }

  /** Puts the readers on the fields as their resolvers. */
  attach(): void {
    for (const [field, readers] of this.readers) {
      field.resolve = reading(typed(resolverOf(readers)));
    }
  }
}

function resolverOf(readers: ReadonlyMap<Type, FieldReader>): FieldReader {
  const [only] = readers.values();
  if (readers.size === 1 && only) return only;
  return (message) => {
    const reader = readers.get(message.$type);
    if (!reader) throw new Error(`nothing is bound to ${message.$type.fullName}`);
    return reader(message);
  };
}
