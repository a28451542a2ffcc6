import { getNullableType, isListType, isScalarType, type GraphQLInputType, type GraphQLOutputType } from 'graphql';
import { Type, type Field } from 'protobufjs';
import { typed, type Read, type Write } from '../../proto/conversion';
import { fullName } from '../../proto/proto-model';
import { atSegment, rejectValue } from '../../proto/value-error';

/** True for a field of the type google.protobuf.FieldMask. */
export function isFieldMask({ resolvedType }: Field): boolean {
  return resolvedType instanceof Type && fullName(resolvedType) === 'google.protobuf.FieldMask';
}

/** The path of a field in a mask, from the path of its message: empty for the message that the mask is of. */
export function maskPath(message: string, field: string): string {
  return message === '' ? field : `${message}.${field}`;
}

/** How a FieldMask goes out as a list of its paths; undefined where the types are others. */
export function compileMaskRead(item: GraphQLOutputType, source: Field): Read | undefined {
  return isFieldMask(source) && isScalarType(item) && item.name === 'String'
    ? typed(({ paths }: { readonly paths: readonly string[] }) => paths)
    : undefined;
}

/** How a list of paths comes in as a FieldMask; undefined where the types are others. */
export function compileMaskWrite(type: GraphQLInputType, target: Field): Write | undefined {
  const item = isListType(type) ? getNullableType(type.ofType) : undefined;
  if (!isFieldMask(target) || !isScalarType(item) || item.name !== 'String') return undefined;
  return typed((paths: readonly (string | null)[]) => ({
    paths: paths.map((path, index) =>
      atSegment(index, () => path ?? rejectValue('is null, which a list may not hold')),
    ),
  }));
}
