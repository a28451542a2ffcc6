import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isNonNullType,
  Kind,
  type ConstValueNode,
  type GraphQLArgument,
  type GraphQLInputObjectType,
} from 'graphql';
import type { Field } from 'protobufjs';
import { didYouMean } from '../../diagnostics/did-you-mean';
import type { Findings } from '../../diagnostics/findings';
import type { Write } from '../../proto/conversion';
import { isMap } from '../../proto/maps';
import { takesNull } from '../../proto/proto-json';
import { jsonName } from '../../proto/proto-model';
import { isObjectMessage } from '../../proto/scalar-conversions';
import { within } from '../../proto/value-error';
import { fieldName, namesWithin, noteUsage } from '../proto-usage';
import type { Args, SchemaField } from '../resolver-context';
import { maskPath } from './field-mask';
import type { CompiledInput, InputCompiler, InputElement } from './input-compiler';
import type { MessageDraft, ValueBuilder } from './message-draft';

/** Compiles how the arguments of one field become parts of its request. */
export class ArgumentCompiler {
  /** Names of the arguments that land somewhere. */
  private readonly used: Set<string>;
  /** The input types that landed somewhere, by their path among the arguments. */
  private readonly landed = new Map<string, CompiledInput>();

  /** @param handled - Names of the arguments that something else takes care of. */
  constructor(
    private readonly field: SchemaField,
    handled: ReadonlySet<string>,
    private readonly inputs: InputCompiler,
    private readonly findings: Findings,
  ) {
    this.used = new Set(handled);
  }

  /** The arguments that no reference has named. */
  unused(): GraphQLArgument[] {
    return this.field.args.filter(({ name }) => !this.used.has(name));
  }

  /** Whether an argument of an input type, or a field of one, landed somewhere. */
  get hasInput(): boolean {
    return this.landed.size > 0;
  }

  /** The argument that `$args.NAME` or `$mask.NAME` names; a finding where there is none. Other nodes have none. */
  find(node: ConstValueNode): GraphQLArgument | undefined {
    const reference = node.kind === Kind.STRING ? node.value : '';
    const [root, name] = reference.slice(1).split('.');
    if ((root !== 'args' && root !== 'mask') || name === undefined) return undefined;
    const argument = this.field.args.find((candidate) => candidate.name === name);
    if (argument) {
      if (root === 'args') this.used.add(name);
      return argument;
    }
    const names = this.field.args.map((candidate) => candidate.name);
    this.findings.at(
      node,
      `${this.field.name} has no argument "${name}"`,
      didYouMean(name, names) ?? (names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`),
    );
    return undefined;
  }

  /**
   * Compiles an argument, or a field inside of it, as the value of a field of the request.
   *
   * @param path - From the argument to the field inside.
   * @param node - The reference, for a finding where there is no such field.
   */
  compilePart(
    draft: MessageDraft,
    argument: GraphQLArgument,
    path: readonly string[],
    target: Field,
    node: ConstValueNode,
  ): ValueBuilder {
    let input: InputElement | undefined = argument;
    for (const name of path) {
      const type: unknown = input && getNamedType(input.type);
      input = isInputObjectType(type) ? type.getFields()[name] : undefined;
    }
    if (input) return this.compileValue(draft, input, [argument.name, ...path], target);
    const type: unknown = getNamedType(argument.type);
    this.findings.at(
      node,
      `the argument ${argument.name} has no field "${path.join('.')}"`,
      isInputObjectType(type) ? `Its fields are ${Object.keys(type.getFields()).join(', ')}.` : 'Write "$args.NAME".',
    );
    return () => undefined;
  }

  /** Compiles a whole argument as the value of a field of the request. */
  compileWhole(draft: MessageDraft, argument: GraphQLArgument, target: Field): ValueBuilder {
    return this.compileValue(draft, argument, [argument.name], target);
  }

  private compileValue(draft: MessageDraft, input: InputElement, path: readonly string[], target: Field): ValueBuilder {
    noteUsage(input, fieldName(target));
    const write = this.inputs.compileValue(input, input.type, target);
    const type = getNullableType(input.type);
    const { resolvedType } = target;
    if (isInputObjectType(type) && isObjectMessage(resolvedType) && !target.repeated) {
      const compiled = this.inputs.compileInput(type, resolvedType);
      this.landed.set(path.join('.'), compiled);
      draft.notePaths((args, at, found) => {
        const value = valueAt(args, path);
        if (value !== undefined && value !== null) compiled.addPaths(value as Args, maskPath(at, target.name), found);
        else if (value === null) found.push(maskPath(at, target.name));
      });
    } else if (!isNonNullType(input.type)) {
      // An argument that is always there says which object is meant, not what to change in it.
      draft.notePaths((args, at, found) => {
        if (valueAt(args, path) !== undefined) found.push(maskPath(at, target.name));
      });
    }
    const nullFits = takesNull(target) && !target.repeated && !isMap(target);
    return (args) => converted(valueAt(args, path), write, nullFits, draft.depth, path);
  }

  /** Compiles an argument of an input type whose fields are fields of the message itself. */
  spread(draft: MessageDraft, argument: GraphQLArgument, type: GraphQLInputObjectType): void {
    const { name } = argument;
    const { depth } = draft;
    const compiled = this.inputs.compileInput(type, draft.type);
    this.landed.set(name, compiled);
    const names = [...compiled.names].map(([target, field]) => [target, `${name}.${field}`] as const);
    draft.addFill(names, (target, args) => {
      const value = valueAt(args, [name]);
      if (value === undefined || value === null) return;
      try {
        compiled.fill(target, value as Args, depth);
      } catch (error) {
        throw within(name, error);
      }
    });
    draft.notePaths((args, at, found) => {
      const value = valueAt(args, [name]);
      if (value !== undefined && value !== null) compiled.addPaths(value as Args, at, found);
    });
  }

  /** Compiles an argument that is the whole request as JSON. */
  spreadJson(draft: MessageDraft, argument: GraphQLArgument): void {
    const { name } = argument;
    const { type } = draft;
    noteUsage(argument, ...namesWithin(type));
    const write = this.inputs.json.compileWrite(type);
    const names = type.fieldsArray.map((field) => [field.name, `${name}.${jsonName(field)}`] as const);
    draft.addFill(names, (target, args) => {
      // No message encloses a request, so that the depth of what is in it counts from -1.
      Object.assign(target, converted(valueAt(args, [name]), write, false, -1, [name]));
    });
  }

  /**
   * Compiles the mask of what a client sent at a path of the arguments. Call it when all arguments are compiled.
   *
   * @returns undefined where nothing of an input type landed there
   */
  compileMask(path: readonly string[]): ValueBuilder | undefined {
    const input = this.landedAt(path);
    return (
      input &&
      ((args) => {
        const paths: string[] = [];
        const value = valueAt(args, path);
        if (value !== undefined && value !== null) input.addPaths(value as Args, '', paths);
        return { paths };
      })
    );
  }

  /** What landed at a path: by itself, or within an input type that it is in. */
  private landedAt(path: readonly string[]): CompiledInput | undefined {
    const here = this.landed.get(path.join('.'));
    const last = path.at(-1);
    if (here || last === undefined) return here;
    return this.landedAt(path.slice(0, -1))?.nested.get(last);
  }
}

/** A value among the arguments. Own properties only: names such as "constructor" are found on every object. */
function valueAt(args: Args, path: readonly string[]): unknown {
  let value: unknown = args;
  for (const name of path) {
    if (value === undefined || value === null) return undefined;
    value = Object.hasOwn(value, name) ? (value as Args)[name] : undefined;
  }
  return value;
}

function converted(value: unknown, write: Write, nullFits: boolean, depth: number, path: readonly string[]): unknown {
  if (value === undefined || (value === null && !nullFits)) return undefined;
  try {
    return write(value, depth);
  } catch (error) {
    throw path.reduceRight((inner, name) => within(name, inner), error);
  }
}
