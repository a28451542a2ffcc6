import {
  getNamedType,
  getNullableType,
  isListType,
  isNonNullType,
  isObjectType,
  type ConstDirectiveNode,
  type GraphQLObjectType,
} from 'graphql';
import type { Field, Type } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { withoutInfo } from '../../execution/resolver-needs';
import { fullName, jsonName } from '../../proto/proto-model';
import { argsOf } from '../directive-nodes';
import { fieldName, noteUsage } from '../proto-usage';
import { missing, type Resolver, type SchemaField } from '../resolver-context';
import { fieldsAre, type Services } from '../services';
import type { CompiledCall } from './call-compiler';
import { isLong, isMessage, keyKind, namesIn, compileKeyReader } from './key-fields';
import type { CompiledLookup, LookupCompiler } from './lookup-compiler';
import { isEmptyKey, loaderOf, type Lookup, type LookupKey } from './lookup-loader';
import type { OutputCompiler } from './output-compiler';
import { compileParentField, type ParentField } from './parent-field';

export interface JoinCompilerOptions {
  readonly services: Services;
  readonly lookups: LookupCompiler;
  readonly outputs: OutputCompiler;
  readonly findings: Findings;
}

/** Compiles the fields with @join. In two steps, as calls are. */
export class JoinCompiler {
  constructor(private readonly options: JoinCompilerOptions) {}

  /**
   * First step: compiles the look-up, and the joined type for what it answers.
   *
   * @returns the second step, which compiles the key and sets the field's resolver
   */
  compile(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
  ): (() => CompiledCall) | undefined {
    const { lookups, findings } = this.options;
    const target = getNamedType(field.type);
    if (!isObjectType(target)) {
      findings.at(
        directive,
        `@join finds objects, and ${type.name}.${field.name} is ${String(field.type)}`,
        'Make it an object type that has @lookup, or a list of one.',
      );
      return undefined;
    }
    const args = argsOf(directive);
    const isOwn = args['rpc'] !== undefined;
    const useless = isOwn ? undefined : ['keys', 'items', 'match', 'max', 'deadline'].find((name) => name in args);
    if (useless !== undefined) {
      findings.at(
        directive,
        `${useless}: says nothing here: ${target.name} is found as its @lookup says`,
        'Remove it, or name the RPC with rpc:.',
      );
    }
    const lookup = isOwn ? lookups.compile(directive, target, true) : lookups.compileOfType(target, directive);
    return lookup && (() => this.complete(type, field, directive, lookup));
  }

  /** Second step. */
  private complete(
    type: GraphQLObjectType,
    field: SchemaField,
    directive: ConstDirectiveNode,
    { lookup, rpc, timeout, directive: source, keyFields }: CompiledLookup,
  ): CompiledCall {
    const { outputs, services, findings } = this.options;
    const messages = outputs.messagesOf(type);
    noteUsage(field, ...services.foundFor(source));
    const parts = namesIn(argsOf(directive)['key']).map((name) => this.compileKeyPart(directive, messages, name));
    const isList = isListType(getNullableType(field.type));
    if (lookup.many && !isList) {
      findings.at(
        directive,
        `${type.name}.${field.name} finds many objects for a key, and is not a list`,
        `Make it [${getNamedType(field.type).name}!]!.`,
      );
    }
    this.checkKey(directive, parts, keyFields, isList && !lookup.many);
    for (const part of parts) if (part) noteUsage(field, fieldName(part.source));
    const readers = parts.map((part) => (part ? compileKeyReader(part) : () => undefined));
    field.resolve = withoutInfo(
      isList && !lookup.many ? listJoin(lookup, readers, field) : keyJoin(lookup, readers, field),
    );
    return { rpc, timeout };
  }

  /** Findings where the parts of a key are not as many, or not of the kinds, that the look-up takes. */
  private checkKey(
    directive: ConstDirectiveNode,
    parts: readonly (ParentField | undefined)[],
    keyFields: readonly Field[],
    isListOfKeys: boolean,
  ): void {
    const { findings } = this.options;
    if (parts.length !== keyFields.length) {
      findings.at(
        directive,
        `key: has ${parts.length} part(s), and objects are found by ${keyFields.length}: ${keyFields.map(jsonName).join(', ')}`,
        'Name a field for each, separated by spaces.',
      );
      return;
    }
    for (const [index, part] of parts.entries()) {
      const source = part?.source;
      const target = keyFields[index];
      if (!source || !target) continue;
      const name = `${fullName(source.parent as Type)}.${source.name}`;
      if (part.many !== isListOfKeys) {
        findings.at(
          directive,
          `key: ${name} holds ${part.many ? 'many keys' : 'one key'}, and the field is ${isListOfKeys ? 'a list' : 'one object'}`,
          isListOfKeys ? 'Name a repeated field, or make the field an object.' : 'Make the field a list.',
        );
      } else if (keyKind(source) !== keyKind(target) || (isLong(source) && !isLong(target))) {
        findings.at(
          directive,
          `key: ${name} is ${source.type}, but ${target.name} takes ${target.type}`,
          'The key must be of the type that the RPC takes.',
        );
      } else if (isMessage(source)) {
        findings.at(
          directive,
          `key: ${name} is ${source.type}, a message`,
          `Name the fields of it that make up the key, such as "${jsonName(source)}.id".`,
        );
      }
    }
  }

  private compileKeyPart(
    directive: ConstDirectiveNode,
    messages: ReadonlySet<Type>,
    name: string,
  ): ParentField | undefined {
    const part = compileParentField(messages, name);
    if (part) return part;
    const fields = [...messages].flatMap((message) => message.fieldsArray.map(jsonName));
    this.options.findings.at(
      directive,
      messages.size === 0
        ? 'key: the type that this field is in is not read from any message'
        : `key: ${[...messages].map(fullName).join(' and ')} has no field "${name}"`,
      messages.size === 0
        ? 'A type is read from the message that an RPC answers with; keys of root fields are arguments of @grpc.'
        : (didYouMean(name, fields) ?? fieldsAre(fields)),
    );
    return undefined;
  }
}

function keyJoin(lookup: Lookup, readers: readonly ((parent: unknown) => unknown)[], field: SchemaField): Resolver {
  const isRequired = isNonNullType(field.type);
  return (parent, _args, context) => {
    const key = readers.map((read) => read(parent));
    if (isEmptyKey(key)) return lookup.many ? [] : missing(field);
    const found = loaderOf(lookup, context).load(key);
    return isRequired ? found.then((object) => object ?? missing(field)) : found;
  };
}

/** A list of references: all of their keys go into one look-up. One that fails is an error of its own place. */
function listJoin(lookup: Lookup, readers: readonly ((parent: unknown) => unknown)[], field: SchemaField): Resolver {
  const list = getNullableType(field.type);
  const itemsNonNull = isListType(list) && isNonNullType(list.ofType);
  return async (parent, _args, context) => {
    const columns = readers.map((read) => (read(parent) ?? []) as readonly unknown[]);
    const keys = (columns[0] ?? []).map((_, index): LookupKey => columns.map((column) => column[index]));
    const loader = loaderOf(lookup, context);
    const found = await Promise.all(
      keys.map(async (key) => (isEmptyKey(key) ? null : loader.load(key).catch((error: unknown) => error))),
    );
    // A list that may not hold null leaves out what is not there.
    return itemsNonNull ? found.filter((object) => object !== null) : found;
  };
}
