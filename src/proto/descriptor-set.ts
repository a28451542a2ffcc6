import { Enum, Field, Reader, Service, Type, type Message, type ReflectionObject, type Root } from 'protobufjs';
import * as descriptors from 'protobufjs/ext/descriptor';
import { ProtoError } from './proto-error';

/** A file of a descriptor set. */
export interface DescribedFile {
  /** As other files import it. */
  readonly name: string;
  readonly imports: readonly string[];
  /** True for a file that says the same, comments aside. */
  isSame(other: DescribedFile): boolean;
  /**
   * Adds what the file defines. References are full names.
   *
   * @returns options that can be read once the extensions which define them are all there
   */
  addTo(root: Root): CustomOptions[];
}

/** Options of an object that extensions define, as they were on the wire. */
export interface CustomOptions {
  /** The object that carries them, or what stands for a value of an enum. */
  readonly target: OptionsTarget;
  /** Name of the message in google.protobuf, such as MethodOptions. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

interface OptionsTarget {
  options?: Record<string, unknown> | undefined;
  parsedOptions?: Record<string, unknown>[];
}

/** A google.protobuf.FileDescriptorProto. Fields that are not set have their default, by inheritance. */
interface FileDescriptor extends Required<Omit<descriptors.IFileDescriptorProto, 'options' | 'messageType'>> {
  readonly dependency: readonly string[];
  readonly messageType: MessageDescriptor[];
  readonly options: Message | null;
  readonly sourceCodeInfo: { readonly location: readonly Location[] } | null;
}

interface Location {
  readonly path: readonly number[];
  readonly leadingComments: string;
  readonly trailingComments: string;
}

type MessageDescriptor = Required<Omit<descriptors.IDescriptorProto, 'nestedType'>> & {
  readonly nestedType: MessageDescriptor[];
};

/**
 * Reads a google.protobuf.FileDescriptorSet, as `buf build` and `protoc -o` write it.
 *
 * @param shown - The file that it is in, as a person would type it.
 * @throws ProtoError where it is none
 */
export function readDescriptorSet(bytes: Uint8Array, shown: string): DescribedFile[] {
  const reader = Reader.create(bytes);
  // Options that extensions define are unknown fields to it.
  reader.discardUnknown = false;
  let files: readonly FileDescriptor[] = [];
  try {
    files = (descriptors.FileDescriptorSet.decode(reader) as Message & { readonly file: readonly FileDescriptor[] })
      .file;
  } catch {
    // Reported below.
  }
  if (files.length > 0 && files.every(({ name }) => name !== '')) {
    return files.map((file) => new DescriptorFile(file, shown));
  }
  throw new ProtoError(shown, 'this is not a descriptor set', {
    fix: 'Write it with buf build -o FILE.binpb, or protoc --include_imports -o FILE.pb.',
  });
}

/** What protobufjs calls editions. */
const editions: Readonly<Record<number, string>> = { 1000: '2023', 1001: '2024', 1002: '2026' };

class DescriptorFile implements DescribedFile {
  readonly name: string;
  readonly imports: readonly string[];
  private readonly comments: ReadonlyMap<string, string>;
  private readonly edition: string;
  private readonly custom: CustomOptions[] = [];

  constructor(
    private readonly file: FileDescriptor,
    shown: string,
  ) {
    this.name = file.name;
    this.imports = file.dependency;
    this.comments = commentsOf(file);
    const edition = file.syntax === 'editions' ? editions[file.edition] : file.syntax || 'proto2';
    if (edition === undefined) throw new ProtoError(shown, `${file.name} is of an edition that is not known here`);
    this.edition = edition;
  }

  isSame(other: DescribedFile): boolean {
    return other instanceof DescriptorFile && this.bytes().equals(other.bytes());
  }

  private bytes(): Buffer {
    return descriptors.FileDescriptorProto.encode({ ...this.file, sourceCodeInfo: null }).finish() as Buffer;
  }

  addTo(root: Root): CustomOptions[] {
    const { file, edition } = this;
    const place = file.package === '' ? root : root.define(file.package);
    const { features } = standardOptions(descriptors.FileOptions, file.options);
    const context = { edition, keepCase: true, ...(features ? { features } : {}) };
    file.messageType.forEach((each, index) => {
      const type = Type.fromDescriptor(each, context);
      this.describeMessage(type, each, [4, index]);
      place.add(type);
    });
    file.enumType.forEach((each, index) => {
      const type = Enum.fromDescriptor(each, context);
      this.describeEnum(type, each, [5, index]);
      place.add(type);
    });
    file.extension.forEach((each, index) => {
      const field = Field.fromDescriptor(each, context);
      this.describeField(field, each, [7, index]);
      place.add(field);
    });
    file.service.forEach((each, index) => {
      const service = Service.fromDescriptor(each, context);
      this.describe(service, descriptors.ServiceOptions, each.options, [6, index]);
      each.method?.forEach((method, at) => {
        this.describe(memberOf(service.methods, method), descriptors.MethodOptions, method.options, [6, index, 2, at]);
      });
      place.add(service);
    });
    return this.custom;
  }

  private describeMessage(type: Type, descriptor: MessageDescriptor, path: readonly number[]): void {
    this.describe(type, descriptors.MessageOptions, descriptor.options, path);
    descriptor.oneofDecl.forEach((each, index) => {
      this.describe(memberOf(type.oneofs, each), descriptors.OneofOptions, each.options, [...path, 8, index]);
    });
    descriptor.field.forEach((each, index) => {
      this.describeField(memberOf(type.fields, each), each, [...path, 2, index]);
    });
    descriptor.nestedType.forEach((each, index) => {
      const found = memberOf(type.nested, each);
      // The entries of maps are not added.
      if (found instanceof Type) this.describeMessage(found, each, [...path, 3, index]);
    });
    descriptor.enumType.forEach((each, index) => {
      const found = memberOf(type.nested, each);
      if (found instanceof Enum) this.describeEnum(found, each, [...path, 4, index]);
    });
    descriptor.extension.forEach((each, index) => {
      const found = memberOf(type.nested, each);
      if (found instanceof Field) this.describeField(found, each, [...path, 6, index]);
    });
  }

  private describeField(
    field: Field | undefined,
    descriptor: descriptors.IFieldDescriptorProto,
    path: readonly number[],
  ): void {
    if (!field) return;
    this.describe(field, descriptors.FieldOptions, descriptor.options, path);
    if (descriptor.jsonName) setOption(field, 'json_name', descriptor.jsonName);
    // What protobufjs 7 writes, and so a server in Node.js, lacks the flag; nobody else calls a oneof so.
    if (field.partOf?.name === `_${field.name}`) field.options = { ...field.options, proto3_optional: true };
  }

  private describeEnum(type: Enum, descriptor: descriptors.IEnumDescriptorProto, path: readonly number[]): void {
    this.describe(type, descriptors.EnumOptions, descriptor.options, path);
    descriptor.value?.forEach(({ name, options }, index) => {
      const target: OptionsTarget = {};
      this.setOptions(target, descriptors.EnumValueOptions, options);
      if (target.options) type.valuesOptions = { ...type.valuesOptions, [name!]: target.options };
      type.comments[name!] = this.comment([...path, 2, index]);
    });
  }

  /** What every object has: its file, its comment, its options. */
  private describe(object: ReflectionObject | undefined, type: Type, options: unknown, path: readonly number[]): void {
    if (!object) return;
    object.filename = this.name;
    object.comment = this.comment(path);
    this.setOptions(object, type, options);
  }

  private comment(path: readonly number[]): string | null {
    return this.comments.get(path.join()) ?? null;
  }

  /** Sets options as the parser does. protobufjs gives an object of a descriptor other options than one of text. */
  private setOptions(target: OptionsTarget, type: Type, message: unknown): void {
    const own = ['features', 'default', 'proto3_optional'];
    const kept = Object.entries(target.options ?? {}).filter(([name]) => own.includes(name));
    target.options = kept.length === 0 ? undefined : Object.fromEntries(kept);
    for (const [name, value] of Object.entries(standardOptions(type, message))) {
      if (name !== 'features') setOption(target, name, value);
    }
    const { $unknowns: unknowns } = (message ?? {}) as Partial<Message>;
    if (unknowns) this.custom.push({ target, type: type.name, bytes: Buffer.concat(unknowns) });
  }
}

/** What protobufjs has made of a descriptor; undefined for a name that it leaves out, such as `__proto__`. */
function memberOf<T>(
  members: Readonly<Record<string, T>> | undefined,
  { name = '' }: { readonly name?: string },
): T | undefined {
  return members && Object.hasOwn(members, name) ? members[name] : undefined;
}

/** Reads the options that extensions define, where those are loaded. Call it when everything is resolved. */
export function readCustomOptions(root: Root, all: readonly CustomOptions[]): void {
  for (const { target, type: name, bytes } of all) {
    const type = root.lookup(`google.protobuf.${name}`, [Type]);
    if (!(type instanceof Type)) continue;
    for (const [option, value] of Object.entries(type.toObject(type.decode(bytes), asText))) {
      // protobufjs calls the fields of extensions by their full names, with a dot in front.
      if (option.startsWith('.')) setOption(target, `(${option.slice(1)})`, value);
    }
  }
}

const asText = { enums: String, longs: Number, bytes: String };

/** The options that descriptor.proto defines itself, by their names in it. */
function standardOptions(type: Type, message: unknown): Record<string, unknown> {
  return message ? byProtoName(type, type.toObject(message as Message, asText)) : {};
}

function byProtoName({ fields }: Type, object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => {
      const { protoName, resolvedType } = fields[name]!;
      const convert = (item: unknown): unknown =>
        resolvedType instanceof Type ? byProtoName(resolvedType, item as Record<string, unknown>) : item;
      return [protoName, Array.isArray(value) ? value.map(convert) : convert(value)];
    }),
  );
}

/** Sets an option as the parser of protobufjs does: whole in `parsedOptions`, and by the path of each value in `options`. */
function setOption(target: OptionsTarget, name: string, value: unknown): void {
  target.options ??= {};
  target.parsedOptions ??= [];
  for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
    target.parsedOptions.push({ [name]: withoutSingleLists(item) });
    setPaths(target.options, name, item);
  }
}

function setPaths(options: Record<string, unknown>, path: string, value: unknown): void {
  if (Array.isArray(value)) for (const item of value) setPaths(options, path, item);
  else if (typeof value !== 'object' || value === null) options[path] = value;
  else for (const [name, content] of Object.entries(value)) setPaths(options, `${path}.${name}`, content);
}

/** The parser cannot know that what is there once may be repeated. */
function withoutSingleLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 1 ? withoutSingleLists(value[0]) : value.map(withoutSingleLists);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, content]) => [name, withoutSingleLists(content)]));
}

/** The comment of an object, by its path in the file: what is in front of it, else what is behind it. */
function commentsOf({ sourceCodeInfo: info }: FileDescriptor): Map<string, string> {
  const comments = new Map<string, string>();
  for (const location of info?.location ?? []) {
    const text = location.leadingComments || location.trailingComments;
    const lines = text.split('\n').map((line) => line.trim());
    const comment = lines.join('\n').trim();
    if (comment !== '') comments.set(location.path.join(), comment);
  }
  return comments;
}
