import {
  getNamedType,
  getNullableType,
  isNonNullType,
  isUnionType,
  type GraphQLObjectType,
  type GraphQLUnionType,
} from 'graphql';
import type { Field, OneOf, Root, Type } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { reading } from '../../execution/resolver-needs';
import { ProtoJson } from '../../proto/proto-json';
import { declaredOneOf, findField, findOneOf, fullName, jsonName } from '../../proto/proto-model';
import { nameInProto } from '../name-in-proto';
import { fieldName, noteUsage } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import { fieldsAre } from '../services';
import { FieldReaders } from './field-readers';
import { OutputFieldCompiler } from './output-field-compiler';
import type { Page } from './page';
import { UnionCompiler } from './union-compiler';

export interface TypeOptions {
  /** Fields that the message lacks are null instead of findings: for an RPC that stands in for another. */
  readonly partial?: boolean;
}

/**
 * Compiles how GraphQL object types are read from messages. A type may be read from several messages; its fields then look
 * at which one they were given.
 */
export class OutputCompiler {
  /** How single fields are read. */
  readonly fields: OutputFieldCompiler;
  readonly unions: UnionCompiler;
  private readonly readers = new FieldReaders();
  private readonly pending: (() => void)[] = [];

  /**
   * @param isAnsweredElsewhere - True for fields that something else than their message answers.
   * @param root - Where the types that an Any may hold are found.
   */
  constructor(
    private readonly findings: Findings,
    private readonly isAnsweredElsewhere: (field: SchemaField) => boolean,
    root: Root,
  ) {
    const { readers } = this;
    const addType = (type: GraphQLObjectType, message: Type): void => {
      this.pending.push(() => this.compileType(type, message));
    };
    this.fields = new OutputFieldCompiler({ findings, json: new ProtoJson(root), isAnsweredElsewhere, addType });
    this.unions = new UnionCompiler({ findings, readers, fields: this.fields, isAnsweredElsewhere, addType });
  }

  /** The messages that a type is read from. */
  messagesOf(type: GraphQLObjectType): ReadonlySet<Type> {
    return this.readers.messagesOf(type);
  }

  /** Compiles every field of a type that is read from a message. */
  compileType(type: GraphQLObjectType, message: Type, options: TypeOptions = {}): void {
    if (!this.readers.addMessage(type, message)) return;
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (!this.isAnsweredElsewhere(field)) this.compileField(type, field, message, options);
    }
  }

  /** Compiles the fields of a connection that neither page nor edges answer: they are read from the response. */
  compileConnectionFields(type: GraphQLObjectType, response: Type): void {
    for (const field of Object.values(type.getFields()) as SchemaField[]) {
      if (this.isAnsweredElsewhere(field)) continue;
      const source = this.findSource(type, field, response);
      const read = source && this.fields.compileField(field, source);
      if (read) field.resolve = reading((page) => read((page as Page).response));
    }
  }

  private compileField(type: GraphQLObjectType, field: SchemaField, message: Type, options: TypeOptions): void {
    const union = getNamedType(field.type);
    const oneOf = isUnionType(union) ? findOneOf(message, nameInProto(field)) : undefined;
    if (oneOf && isUnionType(union)) return this.compileUnion(field, union, oneOf, message);
    if (options.partial && !findField(message, nameInProto(field))) return this.compileAbsent(field, message);
    const source = this.findSource(type, field, message);
    if (!source) return;
    this.readers.set(field, message, this.fields.compileField(field, source));
    const partOf = declaredOneOf(source);
    // The oneof of the first message, where another one stands in for it.
    if (partOf) field.extensions = { oneOf: partOf.name, ...field.extensions };
  }

  private compileUnion(field: SchemaField, union: GraphQLUnionType, oneOf: OneOf, message: Type): void {
    this.checkNullable(field, `${fullName(message)}.${oneOf.name} can be unset`);
    this.readers.set(field, message, this.unions.compileUnion(field, union, oneOf));
  }

  /** A field that a message which stands in for another does not have. */
  private compileAbsent(field: SchemaField, message: Type): void {
    this.checkNullable(field, `${fullName(message)}, which stands in, has no field "${nameInProto(field)}"`);
    this.readers.set(field, message, () => null);
  }

  private checkNullable(field: SchemaField, reason: string): void {
    if (!isNonNullType(field.type)) return;
    this.findings.at(
      field.astNode,
      `${field.name} is non-null, but ${reason}`,
      `Make it ${String(getNullableType(field.type))}.`,
    );
  }

  /** The proto field that a GraphQL field is read from; a finding where there is none. */
  private findSource(type: GraphQLObjectType, field: SchemaField, message: Type): Field | undefined {
    const name = nameInProto(field);
    const source = findField(message, name);
    if (source) {
      noteUsage(field, fieldName(source));
    } else {
      const names = message.fieldsArray.map(jsonName);
      this.findings.at(
        field.astNode,
        `${type.name}.${field.name}: ${fullName(message)} has no field "${name}"`,
        didYouMean(name, names) ?? `${fieldsAre(names)} Rename with @proto(field: "...").`,
      );
    }
    return source;
  }

  /** Compiles what is still asked for, and puts the resolvers on fields and unions. Call it once every type was asked for. */
  attach(): void {
    for (let next = this.pending.pop(); next; next = this.pending.pop()) next();
    this.readers.attach();
    this.unions.attach();
  }
}
