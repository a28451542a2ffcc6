import { Type, type Field } from 'protobufjs';
import { typed, type MessageConversion, type ScalarConversion } from './conversion';

/** The messages of google/protobuf/wrappers.proto, each with the type of the scalar in it. */
export const wrappers: Readonly<Record<string, string>> = {
  'google.protobuf.DoubleValue': 'double',
  'google.protobuf.FloatValue': 'float',
  'google.protobuf.Int64Value': 'int64',
  'google.protobuf.UInt64Value': 'uint64',
  'google.protobuf.Int32Value': 'int32',
  'google.protobuf.UInt32Value': 'uint32',
  'google.protobuf.BoolValue': 'bool',
  'google.protobuf.StringValue': 'string',
  'google.protobuf.BytesValue': 'bytes',
};

/** The type of the scalar in a wrapper message; undefined for other messages. */
export function wrappedScalar(type: Type): string | undefined {
  const name = type.fullName.slice(1);
  return Object.hasOwn(wrappers, name) ? wrappers[name] : undefined;
}

/** The scalar type of a field, wrapped or bare; undefined for enums and other messages. */
export function bareType({ type, resolvedType }: Field): string | undefined {
  if (!resolvedType) return type;
  return resolvedType instanceof Type ? wrappedScalar(resolvedType) : undefined;
}

/** A value as a field takes it: in a wrapper message where the field is one. */
export function wrapped(field: Field, value: unknown): unknown {
  return field.resolvedType instanceof Type ? { value } : value;
}

/** A field's value taken out of its wrapper message, where the field is one; undefined where it is not set. */
export function unwrapped({ resolvedType }: Field, value: unknown): unknown {
  if (!(resolvedType instanceof Type) || wrappedScalar(resolvedType) === undefined) return value;
  return (value as { readonly value: unknown } | null | undefined)?.value;
}

/** The conversion of a wrapper message, made from that of the scalar in it. */
export function wrapping({ read, write }: ScalarConversion): MessageConversion {
  return {
    read: typed(({ value }: { readonly value: unknown }) => (read ? read(value) : value)),
    write: (value, depth) => ({ value: write(value, depth) }),
  };
}
