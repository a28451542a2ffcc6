import { Enum, Type, type Field } from 'protobufjs';
import { isMap } from '../proto/maps';
import { canBeJsonNull } from '../proto/proto-json';
import { enumNames, fullName, hasPresence, hasUnspecified } from '../proto/proto-model';
import { descriptionOf } from '../proto/descriptions';
import { deprecation, hasBehavior } from './annotations';
import { isMask, isObject, namedFields, shapeOf, type NamedField } from './fields';
import { asName, isName, packageWord, pascalCase, type NameScope } from './names';
import type { SdlDirective, SdlEnumValue, SdlField, SdlType } from './sdl';

/** Names that GraphQL does not allow for enum values. */
const reservedValues: readonly string[] = ['true', 'false', 'null'];

/**
 * Writes the types of a file as they are needed: object types for responses, input types for requests, enums for both. A
 * message gets its types once, so it may contain itself.
 */
export class TypeWriter {
  private readonly objects = new Map<Type, SdlType>();
  private readonly enums = new Map<Enum, SdlType>();
  private readonly inputs: SdlType[] = [];
  private readonly extra: SdlType[] = [];
  private readonly names = new Map<Type | Enum | string, string>();
  private readonly pending: (() => void)[] = [];

  /**
   * @param scope - The type names that are taken.
   * @param upstream - The prefix of a name that is taken already.
   * @param lookups - @lookup, for objects that can be found by key.
   */
  constructor(
    private readonly scope: NameScope,
    private readonly upstream: string,
    private readonly lookups: ReadonlyMap<Type, SdlDirective>,
  ) {}

  /** All types, object types first. */
  all(): SdlType[] {
    return [...this.objects.values(), ...this.enums.values(), ...this.extra, ...this.inputs];
  }

  /** Adds a type that is not made from one message. */
  add(type: SdlType): void {
    this.extra.push(type);
  }

  /** Writes the members of the types that were asked for, and the types that these need. */
  settle(): void {
    for (let next = this.pending.shift(); next; next = this.pending.shift()) next();
  }

  /** True where a message has an object type. */
  hasObject(type: Type): boolean {
    this.settle();
    return this.objects.has(type);
  }

  /** The type of an output field; non-null where the proto says so. */
  output(field: Field): string {
    if (isMask(field)) return '[String!]';
    const name = this.nameOf(shapeOf(field), (type) => this.object(type));
    const isNullable = valueCanBeNull(field.resolvedType);
    if (field.repeated && !isMap(field)) return isNullable ? `[${name}]!` : `[${name}!]!`;
    const canBeUnset = hasPresence(field) && !field.required;
    return canBeUnset || (isNullable && !isMap(field)) ? name : `${name}!`;
  }

  /** The type of an input field; nullable. */
  input(field: Field): string {
    if (isMask(field)) return '[String!]';
    const name = this.nameOf(shapeOf(field), (type) => this.inputObject(type));
    return field.repeated && !isMap(field) ? `[${name}!]` : name;
  }

  private nameOf(shape: string | Enum | Type, object: (type: Type) => string): string {
    if (typeof shape === 'string') return shape;
    return shape instanceof Enum ? this.enum(shape) : object(shape);
  }

  /** The name of the object type of a message. */
  object(message: Type): string {
    return this.once(message, () => {
      const { name, comments } = this.take([objectStem(message)], message);
      const members: SdlField[] = [];
      const lookup = this.lookups.get(message);
      this.objects.set(message, {
        head: `type ${name}`,
        comments: [...comments, ...hiddenFields(message)],
        description: descriptionOf(message.comment),
        ...(lookup ? { directives: [lookup] } : {}),
        members,
      });
      this.pending.push(() => members.push(...this.objectFields(answeredFields(message))));
      return name;
    });
  }

  /** The fields of an object type. */
  objectFields(fields: readonly NamedField[]): SdlField[] {
    return fields.map(({ field, name, directives }) => ({
      name,
      type: this.output(field),
      description: descriptionOf(field.comment),
      directives: [...directives, ...deprecation(field)],
    }));
  }

  /** The name of the input type of a message. */
  inputObject(message: Type): string {
    return this.inputOf(message, inputStem(message), askedFields(message), isSaidRequired);
  }

  /** The name of an input type with some of a message's fields. */
  inputOf(message: Type, stem: string, fields: readonly NamedField[], isRequired: (field: Field) => boolean): string {
    const wanted = fields.map(({ field, name }) => (isRequired(field) ? `${name}!` : name));
    return this.once(`${fullName(message)}: ${wanted.join(' ')}`, () => {
      const { name, comments } = this.take([stem], message, 'Input');
      const members: SdlField[] = [];
      this.inputs.push({ head: `input ${name}`, comments, description: descriptionOf(message.comment), members });
      this.pending.push(() => members.push(...this.inputFields(fields, isRequired)));
      return name;
    });
  }

  private inputFields(fields: readonly NamedField[], isRequired: (field: Field) => boolean): SdlField[] {
    return fields.map(({ field, name, directives }) => ({
      name,
      type: this.input(field) + (isRequired(field) && !isCyclic(field) ? '!' : ''),
      description: descriptionOf(field.comment),
      directives,
    }));
  }

  /** The name of the enum type for a proto enum. */
  private enum(source: Enum): string {
    return this.once(source, () => {
      const { name, comments } = this.take([simpleName(source)], source);
      this.enums.set(source, {
        head: `enum ${name}`,
        comments,
        description: descriptionOf(source.comment),
        members: enumValues(source),
      });
      return name;
    });
  }

  /**
   * A free name for a type, with a comment where it is not the first choice.
   *
   * @param stems - The candidates without the suffix, the best first.
   */
  take(stems: readonly string[], source: Type | Enum, suffix = ''): TakenName {
    const own = stems.map((stem) => (isName(stem) ? stem : asName(stem)));
    const [first = ''] = own;
    const prefixes = [pascalCase(this.upstream), pascalCase(packageWord(fullName(source)))];
    const prefixed = prefixes.filter((prefix) => !first.startsWith(prefix)).map((prefix) => prefix + first);
    const owner = this.scope.owner(first + suffix);
    const name = this.scope.take([...own, ...prefixed], fullName(source), suffix);
    return { name, comments: owner === undefined ? [] : [`Not ${first}${suffix}, which ${owner} has.`] };
  }

  private once(key: Type | Enum | string, write: () => string): string {
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const name = write();
    this.names.set(key, name);
    return name;
  }
}

/** True for what may be null although it is set: a zero that means "not said", and the JSON null. */
export function valueCanBeNull(type: Type | Enum | null): boolean {
  return type instanceof Enum ? hasUnspecified(type) : type !== null && canBeJsonNull(type);
}

/** A name, with comments that say why it is not another. */
export interface TakenName {
  readonly name: string;
  readonly comments: readonly string[];
}

/** The name of a message's input type without the suffix: `CreateBook` for CreateBookRequest. */
export function inputStem(message: Type): string {
  return simpleName(message).replace(/(?<=.)(Request|Input)$/, '');
}

/** True for a field that the proto marks as required. */
export function isSaidRequired(field: Field): boolean {
  return field.required || hasBehavior(field, 'REQUIRED');
}

/** The name of a message or an enum: `BookGenre` where Genre is nested in Book. */
function simpleName(source: Type | Enum): string {
  const outer = source.parent instanceof Type ? simpleName(source.parent) : '';
  return outer + pascalCase(source.name);
}

/** Avoids the name of a connection for what is none: the schema compiler would take it for one. */
function objectStem(message: Type): string {
  const name = simpleName(message);
  const isLikeConnection = namedFields(message).some((field) => ['edges', 'nodes'].includes(field.name));
  return name.endsWith('Connection') && isLikeConnection ? `${name}Object` : name;
}

/** The fields of a message that a response may hold. */
export function answeredFields(message: Type): NamedField[] {
  const fields = namedFields(message);
  const answered = fields.filter(({ field }) => !hasBehavior(field, 'INPUT_ONLY'));
  return answered.length > 0 ? answered : fields;
}

/** The only field of a response that is a mere wrapper of it. */
export function wrappedField(message: Type): Field | undefined {
  const [only, ...more] = answeredFields(message);
  const isWrapper = /(Response|Reply|Result)$/.test(message.name) && isObject(message) && more.length === 0;
  // A field whose name needs @proto is left in its wrapper: `response:` has no place for @proto.
  return isWrapper && only?.directives.length === 0 ? only.field : undefined;
}

/** The fields of a message that a client may send. */
export function askedFields(message: Type): NamedField[] {
  const fields = namedFields(message);
  const asked = fields.filter(({ field }) => !hasBehavior(field, 'OUTPUT_ONLY'));
  return asked.length > 0 ? asked : fields;
}

/** A comment for each field that has no GraphQL name. */
function hiddenFields(message: Type): string[] {
  const shown = new Set(namedFields(message).map(({ field }) => field));
  return message.fieldsArray
    .filter((field) => !shown.has(field))
    .map((field) => `${field.name} of ${fullName(message)} is left out: GraphQL has no name for it.`);
}

function enumValues(source: Enum): SdlEnumValue[] {
  const { nameOf, numberOf } = enumNames(source);
  const taken = new Set<string>();
  const shown = [...nameOf].filter(([, name]) => name !== null);
  // GraphQL enums may not be empty: one with only "not said" shows that.
  const values = shown.length > 0 ? shown : [...numberOf].map(([name, number]) => [number, name] as const);
  return values.map(([number, natural]) => {
    const value = Object.keys(source.values).find((each) => source.values[each] === number) ?? '';
    const name = enumValueName(natural ?? '', taken);
    taken.add(name);
    const isRenamed = name !== natural;
    const isDeprecated = source.valuesOptions?.[value]?.['deprecated'] === true;
    return {
      name,
      description: descriptionOf(source.comments[value]),
      comments: isRenamed ? [`Not ${natural ?? ''}, which is no name in GraphQL.`] : [],
      directives: [
        ...(isRenamed ? [{ name: 'proto', args: { field: value } }] : []),
        ...(isDeprecated ? [{ name: 'deprecated', args: {} }] : []),
      ],
    };
  });
}

function enumValueName(natural: string, taken: ReadonlySet<string>): string {
  let name = reservedValues.includes(natural) ? natural.toUpperCase() : asName(natural);
  if (isName(natural) && !reservedValues.includes(natural)) name = natural;
  while (taken.has(name)) name += '_';
  return name;
}

/** True for a required field through which a message contains itself: no client could send such an input. */
function isCyclic(field: Field): boolean {
  const { resolvedType } = field;
  if (!(resolvedType instanceof Type) || field.repeated) return false;
  const seen = new Set([resolvedType]);
  for (const type of seen) {
    if (type === field.parent) return true;
    for (const each of type.fieldsArray) {
      if (isSaidRequired(each) && !each.repeated && each.resolvedType instanceof Type) seen.add(each.resolvedType);
    }
  }
  return false;
}
