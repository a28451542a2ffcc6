import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isScalarType,
  Kind,
  type ConstObjectValueNode,
  type ConstValueNode,
  type GraphQLArgument,
} from 'graphql';
import { Type, type Field, type Root } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import { GatewayError } from '../../errors';
import { isMap } from '../../proto/maps';
import { ProtoJson } from '../../proto/proto-json';
import { fieldKind, findField, fullName, jsonName } from '../../proto/proto-model';
import { isObjectMessage } from '../../proto/scalar-conversions';
import { badInput } from '../../proto/value-error';
import { directiveOn } from '../directive-nodes';
import { nameInProto } from '../name-in-proto';
import { fieldName, noteUsage } from '../proto-usage';
import type { SchemaField } from '../resolver-context';
import { fieldsAre } from '../services';
import { ArgumentCompiler } from './argument-compiler';
import { compileConstant } from './constant';
import { isFieldMask, maskPath } from './field-mask';
import { InputCompiler } from './input-compiler';
import { compileKeyReader } from './key-fields';
import { MessageDraft, type MessageBuilder, type ValueBuilder } from './message-draft';
import { compileParentField } from './parent-field';

/** What a request is compiled from. */
export interface RequestSpec {
  readonly field: SchemaField;
  readonly request: Type;
  /** `request:` of @grpc. */
  readonly mapping: ConstValueNode | undefined;
  /** The messages that the field's parent is read from, for `$parent.NAME`; none for a root field. */
  readonly parents: ReadonlySet<Type>;
  /** Names of the arguments that something else takes care of, such as the paging of a connection. */
  readonly handled: ReadonlySet<string>;
}

/** How a request is made. */
export interface CompiledRequest {
  readonly build: MessageBuilder;
  /**
   * True where a `$parent.NAME` of the request is unset: it must not be made, since a service takes an empty filter for none.
   * Undefined where the request takes nothing from its parent.
   */
  readonly lacksParent: ((parent: unknown) => boolean) | undefined;
}

/** Compiles how requests are made. Every argument must land somewhere, or there is a finding. */
export class RequestCompiler {
  private readonly inputs: InputCompiler;

  /** @param root - Where the types that an Any may hold are found. */
  constructor(
    private readonly findings: Findings,
    root: Root,
  ) {
    this.inputs = new InputCompiler(findings, new ProtoJson(root));
  }

  compile(spec: RequestSpec): CompiledRequest {
    const { build, lacksParent } = new RequestCompilation(spec, this.inputs, this.findings).compile();
    return {
      build(args, caller, parent) {
        try {
          return build(args, caller, parent);
        } catch (error) {
          throw badInput(error);
        }
      },
      lacksParent,
    };
  }
}

/** One request while it is compiled. */
class RequestCompilation {
  private readonly args: ArgumentCompiler;
  /** Masks, which are compiled when everything has landed. */
  private readonly masks: (() => void)[] = [];
  /** What the request takes from the parent. */
  private readonly parentReaders: ((parent: unknown) => unknown)[] = [];

  constructor(
    private readonly spec: RequestSpec,
    private readonly inputs: InputCompiler,
    private readonly findings: Findings,
  ) {
    this.args = new ArgumentCompiler(spec.field, spec.handled, inputs, findings);
  }

  compile(): CompiledRequest {
    const { request, mapping } = this.spec;
    const draft = new MessageDraft(request);
    if (mapping?.kind === Kind.OBJECT) this.compileObject(draft, mapping);
    else if (mapping?.kind === Kind.STRING || mapping?.kind === Kind.LIST) this.compileParts(draft, mapping);
    else if (mapping) {
      this.findings.at(
        mapping,
        'request: takes an object, a list of objects, or "$args.NAME"',
        'Write request: { FIELD: "$args.NAME" }.',
      );
    }
    for (const argument of this.args.unused()) this.compileByName(draft, argument);
    this.compileImplicitMask(draft);
    for (const compileMask of this.masks) compileMask();
    this.inputs.checkRequired();
    this.checkRequired(draft);
    const readers = this.parentReaders;
    return {
      build: draft.compile(),
      lacksParent:
        readers.length === 0 ? undefined : (parent) => readers.some((readKey) => readKey(parent) === undefined),
    };
  }

  private checkRequired(draft: MessageDraft): void {
    const missing = draft.type.fieldsArray.find((field) => field.required && !draft.isFilled(field));
    if (!missing) return;
    this.findings.at(
      directiveOn(this.spec.field.astNode, 'grpc'),
      `nothing fills ${jsonName(missing)}, which ${fullName(draft.type)} requires`,
      `Add an argument ${jsonName(missing)}, or say ${jsonName(missing)}: in request:.`,
    );
  }

  /** An argument that the mapping does not mention: it goes to the field of its name, or is the request itself. */
  private compileByName(draft: MessageDraft, argument: GraphQLArgument): void {
    const { field, request } = this.spec;
    const name = nameInProto(argument);
    const target = findField(request, name);
    if (target) {
      noteUsage(field, fieldName(target));
      draft.set(target, argument.name, this.args.compileWhole(draft, argument, target));
      return;
    }
    const type = getNullableType(argument.type);
    if (argument.name === 'input' && isInputObjectType(type)) {
      this.args.spread(draft, argument, type);
    } else if (argument.name === 'input' && isScalarType(type) && type.name === 'JSON') {
      this.args.spreadJson(draft, argument);
    } else {
      this.findings.at(
        argument.astNode,
        `the argument ${argument.name} lands nowhere: ${fullName(request)} has no field "${name}"`,
        didYouMean(name, request.fieldsArray.map(jsonName)) ??
          'Map it with request: { ... } of @grpc, or rename it with @proto.',
      );
    }
  }

  /** `{ field: value, ... }` */
  private compileObject(draft: MessageDraft, mapping: ConstObjectValueNode): void {
    const { type } = draft;
    for (const { name, value } of mapping.fields) {
      const target = findField(type, name.value);
      if (!target) {
        const names = type.fieldsArray.map(jsonName);
        this.findings.at(
          name,
          `${fullName(type)} has no field "${name.value}"`,
          didYouMean(name.value, names) ?? fieldsAre(names),
        );
        continue;
      }
      noteUsage(this.spec.field, fieldName(target));
      draft.set(target, argumentPath(value) ?? name.value, this.compileValue(draft, target, value));
    }
  }

  /** `"$args.input"`, or a list of such and objects: a message made of several parts, the later ones winning. */
  private compileParts(draft: MessageDraft, mapping: ConstValueNode): void {
    for (const part of mapping.kind === Kind.LIST ? mapping.values : [mapping]) {
      const argument = part.kind === Kind.STRING ? this.args.find(part) : undefined;
      const input = argument && getNamedType(argument.type);
      if (part.kind === Kind.OBJECT) {
        this.compileObject(draft, part);
      } else if (argument && isInputObjectType(input)) {
        this.args.spread(draft, argument, input);
      } else {
        this.findings.at(
          part,
          `${fullName(draft.type)} is made of objects and of arguments of an input type`,
          'Write { FIELD: "$args.NAME" }, or "$args.NAME" of an argument of an input type.',
        );
      }
    }
  }

  /** The value of one field: a message, a reference or a constant. */
  private compileValue(draft: MessageDraft, target: Field, node: ConstValueNode): ValueBuilder {
    const { resolvedType } = target;
    if (resolvedType instanceof Type && !target.repeated && (node.kind === Kind.OBJECT || node.kind === Kind.LIST)) {
      const inner = new MessageDraft(resolvedType, draft.depth + 1);
      if (node.kind === Kind.OBJECT) this.compileObject(inner, node);
      else this.compileParts(inner, node);
      draft.notePaths((args, at, found) => inner.addSentPaths(args, maskPath(at, target.name), found));
      this.checkRequired(inner);
      return inner.compile();
    }
    if (node.kind === Kind.STRING && node.value.startsWith('$')) {
      return this.compileReference(draft, target, node.value, node);
    }
    const value = compileConstant(this.spec.field, target, node, this.findings);
    return () => value;
  }

  private compileReference(draft: MessageDraft, target: Field, reference: string, node: ConstValueNode): ValueBuilder {
    const [root, name, ...more] = reference.slice(1).split('.');
    if (root === 'args') {
      const argument = this.args.find(node);
      return argument ? this.args.compilePart(draft, argument, more, target, node) : () => undefined;
    }
    if (root === 'session' && (name === 'userId' || name === 'sessionId') && more.length === 0) {
      return this.compileSession(target, name, reference, node);
    }
    if (root === 'parent' && name !== undefined) return this.compileParent(target, [name, ...more].join('.'), node);
    if (root === 'mask' && name !== undefined && this.args.find(node)) {
      let mask: ValueBuilder = () => undefined;
      this.masks.push(() => {
        const compiled = this.args.compileMask([name, ...more]);
        if (compiled) mask = compiled;
        else this.unknownReference(reference, node);
      });
      return (args, caller, parent) => mask(args, caller, parent);
    }
    this.unknownReference(reference, node);
    return () => undefined;
  }

  private unknownReference(reference: string, node: ConstValueNode): void {
    this.findings.at(
      node,
      `${reference} is not something a request can be made of`,
      'Use $args.NAME, $session.userId, $session.sessionId, $parent.FIELD or $mask.NAME.',
    );
  }

  private compileSession(
    target: Field,
    name: 'userId' | 'sessionId',
    reference: string,
    node: ConstValueNode,
  ): ValueBuilder {
    if (fieldKind(target) !== 'string') {
      this.findings.at(
        node,
        `${reference} is string, but ${jsonName(target)} is ${fieldKind(target)}`,
        'It fills fields of type string alone.',
      );
    }
    return (_args, caller) => {
      if (caller instanceof GatewayError) throw caller;
      return caller[name];
    };
  }

  /** `$parent.FIELD`, or a path through messages. */
  private compileParent(target: Field, path: string, node: ConstValueNode): ValueBuilder {
    const { field, parents } = this.spec;
    const found = compileParentField(parents, path);
    if (!found || found.many !== found.source.repeated) {
      this.findings.at(
        node,
        `$parent.${path}: the message that ${field.name} belongs to has no field "${path}"`,
        parents.size > 0
          ? 'Name a field of the message as the proto has it, in camelCase or snake_case.'
          : 'A root field belongs to no message: use $args.NAME or $session.userId.',
      );
      return () => undefined;
    }
    const { source, read } = found;
    if (fieldKind(source) !== fieldKind(target) || source.resolvedType !== target.resolvedType) {
      this.findings.at(
        node,
        `$parent.${path} is ${fieldKind(source)}, but ${jsonName(target)} is ${fieldKind(target)}`,
        'Both must be of the same type.',
      );
    }
    noteUsage(field, fieldName(source));
    this.parentReaders.push(compileKeyReader(found));
    return (_args, _caller, parent) => read(parent);
  }

  /**
   * A FieldMask that the mapping does not mention names what the client sent of the message beside it; where there is
   * none, of the input that the request is made of. A read_mask is another thing (AIP-157): left out, it asks for all.
   */
  private compileImplicitMask(draft: MessageDraft): void {
    const { field, request } = this.spec;
    const target = request.fieldsArray.find((each) => isFieldMask(each) && !each.repeated && each.name !== 'read_mask');
    if (!target || draft.isFilled(target)) return;
    const beside = request.fieldsArray.filter(
      (each) => draft.isFilled(each) && isObjectMessage(each.resolvedType) && !each.repeated && !isMap(each),
    );
    const isClear = beside.length === 0 ? this.args.hasInput : beside.length === 1 && draft.isSent;
    if (!isClear) {
      this.findings.at(
        directiveOn(field.astNode, 'grpc'),
        `${fullName(request)}.${target.name} cannot be filled: it is not clear from which argument`,
        `Say ${jsonName(target)}: "$mask.NAME" in request:.`,
      );
      return;
    }
    noteUsage(field, fieldName(target));
    const [subject] = beside;
    const prefix = subject ? `${subject.name}.` : '';
    draft.set(target, jsonName(target), (args) => {
      const paths: string[] = [];
      draft.addSentPaths(args, '', paths);
      return { paths: paths.flatMap((path) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : [])) };
    });
  }
}

/** The path of the argument that a reference names: what clients know the value by; undefined where they know nothing of it. */
function argumentPath(value: ConstValueNode): string | undefined {
  return value.kind === Kind.STRING ? /^\$args\.(.+)$/.exec(value.value)?.[1] : undefined;
}
