import { GraphQLError, Kind, valueFromASTUntyped, type GraphQLScalarType, type ValueNode } from 'graphql';
import { textToDuration, textToTimestamp } from '../proto/times';

/** The scalars that the gateway brings along. */
export const gatewayScalars: readonly string[] = ['DateTime', 'Duration', 'BigInt', 'JSON'];

const int64 = { min: -(2n ** 63n), max: 2n ** 64n - 1n };

/** Accepts text that another function can read, and returns it unchanged. */
function textFor(read: (text: unknown) => unknown, problem: string) {
  return (value: unknown): unknown => {
    try {
      read(value);
    } catch {
      throw new GraphQLError(problem);
    }
    return value;
  };
}

const dateTime = textFor(
  textToTimestamp,
  'DateTime takes a date and time as in RFC 3339, such as "2026-01-31T12:00:00Z".',
);
const duration = textFor(textToDuration, 'Duration takes seconds with an s behind, such as "1.5s".');

function bigInt(value: unknown): string {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text === 'string' && /^-?\d{1,20}$/.test(text)) {
    const number = BigInt(text);
    if (number >= int64.min && number <= int64.max) return number.toString();
  }
  throw new GraphQLError('BigInt takes a whole number of up to 64 bits, as a string or a safe integer.');
}

/** A literal in a document; numbers keep every digit. */
function literal(node: ValueNode): unknown {
  return node.kind === Kind.INT || node.kind === Kind.STRING ? node.value : undefined;
}

type Coercion = Pick<GraphQLScalarType, 'parseValue' | 'parseLiteral'>;

/** How the scalars of the gateway read what clients send. What goes out is converted where it is read from its message. */
export const scalarInputs: Readonly<Record<string, Coercion>> = {
  DateTime: { parseValue: dateTime, parseLiteral: (node) => dateTime(literal(node)) },
  Duration: { parseValue: duration, parseLiteral: (node) => duration(literal(node)) },
  BigInt: { parseValue: bigInt, parseLiteral: (node) => bigInt(literal(node)) },
  JSON: { parseValue: (value) => value, parseLiteral: (node, variables) => valueFromASTUntyped(node, variables) },
};
