import { resolve } from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { Enum, MapField, Type, type Field, type Method, type ReflectionObject } from 'protobufjs';
import { sourceFolders } from '../src/config/config';
import { findService, loadProtos } from '../src/proto/protos';

export interface ProtoTypesConfig {
  /** The folder of the protos, from the root of the package. */
  readonly protos: string;
  /** Full name of the service. */
  readonly service: string;
  /** The RPCs whose messages are written, with every message inside them. */
  readonly rpcs: readonly string[];
}

const root = resolve(__dirname, '..');

/** A plugin of graphql-codegen: messages as protobufjs decodes them, for RPCs that are called by name. */
export function plugin(_schema: GraphQLSchema, _documents: unknown, config: ProtoTypesConfig): string {
  const service = findService(
    loadProtos(resolve(root, config.protos), sourceFolders(process.env).protoInclude),
    config.service,
  );
  if (!service) throw new Error(`no proto in ${config.protos} defines ${config.service}`);
  const methods = config.rpcs.map((name) => {
    const method = service.methodsArray.find((each) => each.name === name);
    if (!method) throw new Error(`${config.service} has no RPC ${name}`);
    return method;
  });
  for (const method of methods) method.resolve();

  const objects = collect(methods);
  return [
    ...(objects.some(holdsInt64) ? [int64] : []),
    `${comment(`RPCs of ${config.service}: what each takes and what it answers with, once or as a stream.`)}export interface ${service.name}Rpcs {\n${methods.map(rpcText).join('')}}\n`,
    ...objects.map((object) => (object instanceof Enum ? enumText(object) : messageText(object))),
  ].join('\n');
}

/** Every message and enum that the methods lead to, in the order in which they come up. */
function collect(methods: readonly Method[]): (Type | Enum)[] {
  const found = new Map<string, Type | Enum>();
  const visit = (object: Type | Enum | null): void => {
    if (!object) return;
    const name = nameOf(object);
    const other = found.get(name);
    if (other === object) return;
    if (other) throw new Error(`${object.fullName} and ${other.fullName} would both be called ${name}`);
    found.set(name, object);
    if (object instanceof Type) for (const field of object.fieldsArray) visit(field.resolve().resolvedType);
  };
  for (const method of methods) {
    visit(method.resolvedRequestType);
    visit(method.resolvedResponseType);
  }
  return [...found.values()];
}

/** Messages inside messages carry the names of both: `Parent_Child`. */
function nameOf(object: ReflectionObject): string {
  return object.parent instanceof Type ? `${nameOf(object.parent)}_${object.name}` : object.name;
}

const int64Types = new Set(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64']);
const int64 = `/** A 64-bit whole number: a Long, or a number where one was given to be sent. */
export type Int64 = number | { toNumber(): number; toString(): string };
`;

function isInt64({ type }: Field): boolean {
  return int64Types.has(type);
}

function holdsInt64(object: Type | Enum): boolean {
  return object instanceof Type && object.fieldsArray.some(isInt64);
}

function rpcText(method: Method): string {
  const [request, response] = [method.resolvedRequestType!, method.resolvedResponseType!].map(nameOf);
  return `${comment(method.comment, '  ')}  readonly ${method.name}: { readonly request: ${request}; readonly response: ${response} };\n`;
}

function enumText(type: Enum): string {
  const values = Object.entries(type.values).map(
    ([name, number]) => `${comment(type.comments[name] ?? null, '  ')}  ${name}: ${number},\n`,
  );
  const name = nameOf(type);
  return `${comment(type.comment)}export const ${name} = {\n${values.join('')}} as const;\n\n/** Any number: a newer server may send one that is not in {@link ${name}}. */\nexport type ${name} = number;\n`;
}

function messageText(type: Type): string {
  if (type.fieldsArray.length === 0) {
    return `${comment(type.comment)}export type ${nameOf(type)} = Readonly<Record<string, never>>;\n`;
  }
  const fields = type.fieldsArray.map(
    (field) => `${comment(fieldComment(field), '  ')}  readonly ${field.name}: ${fieldType(field)};\n`,
  );
  return `${comment(type.comment)}export interface ${nameOf(type)} {\n${fields.join('')}}\n`;
}

function fieldComment(field: Field): string | null {
  const others = field.partOf?.fieldsArray.filter((other) => other !== field).map(({ name }) => name) ?? [];
  if (others.length === 0) return field.comment;
  // Only one field of a oneof is on the wire.
  const note = `Unset where ${others.join(' or ')} is set.`;
  return field.comment ? `${field.comment}\n${note}` : note;
}

function fieldType(field: Field): string {
  if (field instanceof MapField) return `Readonly<Record<string, ${valueType(field)}>>`;
  if (field.repeated) return `readonly ${valueType(field)}[]`;
  // Decoded, an unset message is null, and so are some scalars that are marked optional; all else has its default.
  const nullable = field.options?.['proto3_optional'] === true && field.resolvedType === null && !isInt64(field);
  return field.resolvedType instanceof Type || nullable ? `${valueType(field)} | null` : valueType(field);
}

function valueType(field: Field): string {
  if (field.resolvedType) return nameOf(field.resolvedType);
  if (isInt64(field)) return 'Int64';
  // Unset bytes are an empty array.
  const scalars: Record<string, string> = {
    string: 'string',
    bool: 'boolean',
    bytes: '(Uint8Array | readonly never[])',
  };
  return scalars[field.type] ?? 'number';
}

function comment(text: string | null, indent = ''): string {
  if (!text) return '';
  const lines = text.replaceAll('*/', '* /').split('\n');
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}
