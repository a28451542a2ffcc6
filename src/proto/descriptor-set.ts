import { Enum, Field, MapField, Method, OneOf, type Root, Service, Type, type NamespaceBase } from 'protobufjs';
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
  addTo(root: Root): RawOptions[];
}

/** Options of an object as they were on the wire. */
export interface RawOptions {
  /** The object that carries them, or what stands for a value of an enum. */
  readonly target: OptionsTarget;
  /** Name of the message in google.protobuf, such as MethodOptions. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

interface OptionsTarget {
  options?: Record<string, unknown>;
  parsedOptions?: Record<string, unknown>[] | null;
}

/**
 * What this reads of descriptor.proto, with `options` as bytes: what they may hold is said by the very files that are read.
 * Repeated fields are always there; others that are not set are their default, by inheritance.
 */
interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly message_type: readonly MessageDescriptor[];
  readonly enum_type: readonly EnumDescriptor[];
  readonly service: readonly ServiceDescriptor[];
  readonly extension: readonly FieldDescriptor[];
  readonly options: Uint8Array;
  readonly source_code_info: { readonly location: readonly Location[] } | null;
  readonly syntax: string;
  readonly edition: number;
}

interface Location {
  readonly path: readonly number[];
  readonly leading_comments: string;
  readonly trailing_comments: string;
}

interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly extension: readonly FieldDescriptor[];
  readonly nested_type: readonly MessageDescriptor[];
  readonly enum_type: readonly EnumDescriptor[];
  readonly oneof_decl: readonly { readonly name: string; readonly options: Uint8Array }[];
  readonly options: Uint8Array;
}

interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly label: number;
  readonly type: number;
  readonly type_name: string;
  readonly extendee: string;
  readonly default_value: string;
  readonly oneof_index: number;
  readonly json_name: string;
  readonly options: Uint8Array;
  readonly proto3_optional: boolean;
}

interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number; readonly options: Uint8Array }[];
  readonly options: Uint8Array;
}

interface ServiceDescriptor {
  readonly name: string;
  readonly method: readonly MethodDescriptor[];
  readonly options: Uint8Array;
}

interface MethodDescriptor {
  readonly name: string;
  readonly input_type: string;
  readonly output_type: string;
  readonly client_streaming: boolean;
  readonly server_streaming: boolean;
  readonly options: Uint8Array;
}

/** descriptor.proto, twice: to read files with, and to read the options that it defines itself. */
export interface DescriptorTypes {
  readonly files: Root;
  readonly options: Root;
}

/** @param descriptorProto - Makes a root with descriptor.proto, names as they are in it. */
export function descriptorTypes(descriptorProto: () => Root): DescriptorTypes {
  const files = descriptorProto();
  for (const type of (files.lookup('google.protobuf') as NamespaceBase).nestedArray) {
    const options = type instanceof Type ? type.get('options') : null;
    if (!(type instanceof Type) || !(options instanceof Field)) continue;
    type.remove(options).add(new Field(options.name, options.id, 'bytes'));
  }
  return { files: files.resolveAll() as Root, options: descriptorProto().resolveAll() as Root };
}

/**
 * Reads a google.protobuf.FileDescriptorSet, as `buf build` and `protoc -o` write it.
 *
 * @param shown - The file that it is in, as a person would type it.
 * @throws ProtoError where it is none
 */
export function readDescriptorSet(bytes: Uint8Array, shown: string, types: DescriptorTypes): DescribedFile[] {
  const type = types.files.lookupType('google.protobuf.FileDescriptorSet');
  let files: readonly FileDescriptor[] = [];
  try {
    files = (type.decode(bytes) as unknown as { file: readonly FileDescriptor[] }).file;
  } catch {
    // Said below.
  }
  if (files.length > 0 && files.every(({ name }) => name !== '')) {
    return files.map((file) => new DescriptorFile(file, shown, types));
  }
  throw new ProtoError(shown, 'this is not a descriptor set', {
    fix: 'Write it with buf build -o FILE.binpb, or protoc --include_imports -o FILE.pb.',
  });
}

/** Types of fields by their number in descriptor.proto; 10 and 11 are messages, 14 is an enum. */
const scalarTypes: Readonly<Record<number, string>> = {
  1: 'double',
  2: 'float',
  3: 'int64',
  4: 'uint64',
  5: 'int32',
  6: 'fixed64',
  7: 'fixed32',
  8: 'bool',
  9: 'string',
  12: 'bytes',
  13: 'uint32',
  15: 'sfixed32',
  16: 'sfixed64',
  17: 'sint32',
  18: 'sint64',
};
const groupType = 10;
const rules: Readonly<Record<number, string>> = { 2: 'required', 3: 'repeated' };

/** What protobufjs knows editions by. On the wire 2024 is as 2023. */
const editions: Readonly<Record<number, string>> = { 998: 'proto2', 999: 'proto3', 1000: '2023', 1001: '2023' };

class DescriptorFile implements DescribedFile {
  readonly name: string;
  readonly imports: readonly string[];
  private readonly comments: ReadonlyMap<string, string>;
  private readonly edition: string;
  private readonly raw: RawOptions[] = [];

  constructor(
    private readonly file: FileDescriptor,
    shown: string,
    private readonly types: DescriptorTypes,
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
    const type = this.types.files.lookupType('google.protobuf.FileDescriptorProto');
    return type.encode({ ...this.file, source_code_info: null }).finish() as Buffer;
  }

  addTo(root: Root): RawOptions[] {
    const { file } = this;
    const place = file.package === '' ? root : root.define(file.package);
    const features = this.standardOptions('FileOptions', file.options)?.['features'] as object | undefined;
    const add = (object: Type | Enum | Field | Service): void => {
      if (features) object.options = { ...object.options, features: { ...features, ...featuresOf(object.options) } };
      // Private, since only parsers know it: it says what the defaults of features are.
      (object as unknown as { _edition: string })._edition = this.edition;
      place.add(object);
    };
    file.message_type.forEach((each, index) => add(this.message(each, [4, index])));
    file.enum_type.forEach((each, index) => add(this.enum(each, [5, index])));
    file.extension.forEach((each, index) => add(this.field(each, [7, index], [])));
    file.service.forEach((each, index) => add(this.service(each, [6, index])));
    return this.raw;
  }

  private message(descriptor: MessageDescriptor, path: readonly number[]): Type {
    const type = new Type(descriptor.name);
    this.describe(type, 'MessageOptions', descriptor.options, path);
    const entries = descriptor.nested_type.filter((each) => this.isMapEntry(each));
    const oneOfs = descriptor.oneof_decl.map(({ name, options }, index) => {
      const oneOf = new OneOf(name);
      this.describe(oneOf, 'OneofOptions', options, [...path, 8, index]);
      return oneOf;
    });
    descriptor.field.forEach((each, index) => {
      const field = this.field(each, [...path, 2, index], entries);
      const oneOf = Object.hasOwn(each, 'oneof_index') ? oneOfs[each.oneof_index] : undefined;
      // What protobufjs itself writes lacks the flag; nobody else calls a oneof so.
      if (oneOf?.name === `_${each.name}`) {
        field.options = { ...field.options, proto3_optional: true };
      }
      oneOf?.add(field);
      // Adds all of its fields at the first of them, as they are declared.
      if (!oneOf) type.add(field);
      else if (!oneOf.parent) type.add(oneOf);
    });
    descriptor.nested_type.forEach((each, index) => {
      if (entries.includes(each)) return;
      const nested = this.message(each, [...path, 3, index]);
      if (descriptor.field.some((field) => field.type === groupType && lastPart(field.type_name) === each.name)) {
        (nested as unknown as { group: boolean }).group = true;
      }
      type.add(nested);
    });
    descriptor.enum_type.forEach((each, index) => type.add(this.enum(each, [...path, 4, index])));
    descriptor.extension.forEach((each, index) => type.add(this.field(each, [...path, 6, index], [])));
    return type;
  }

  private isMapEntry({ options }: MessageDescriptor): boolean {
    return this.standardOptions('MessageOptions', options)?.['map_entry'] === true;
  }

  private field(descriptor: FieldDescriptor, path: readonly number[], entries: readonly MessageDescriptor[]): Field {
    const { name, number } = descriptor;
    const entry = entries.find((each) => each.name === lastPart(descriptor.type_name));
    const [key, value] = entry?.field ?? [];
    const field =
      key && value
        ? // A map is a field too; the declarations of protobufjs do not say so.
          (new MapField(name, number, typeOf(key), typeOf(value)) as unknown as Field)
        : new Field(name, number, typeOf(descriptor), rules[descriptor.label], descriptor.extendee || undefined);
    this.describe(field, 'FieldOptions', descriptor.options, path);
    const options: Record<string, unknown> = { ...field.options };
    if (descriptor.json_name !== '') options['json_name'] = descriptor.json_name;
    if (descriptor.proto3_optional) options['proto3_optional'] = true;
    if (Object.hasOwn(descriptor, 'default_value')) options['default'] = defaultOf(descriptor);
    if (Object.keys(options).length > 0) field.options = options;
    return field;
  }

  private enum(descriptor: EnumDescriptor, path: readonly number[]): Enum {
    const type = new Enum(descriptor.name);
    this.describe(type, 'EnumOptions', descriptor.options, path);
    const options = type.options;
    // Of names for one number the first counts. Whether there may be several is not for us to say.
    type.options = { allow_alias: true };
    descriptor.value.forEach(({ name, number, options: bytes }, index) => {
      const target: OptionsTarget = {};
      this.read(target, 'EnumValueOptions', bytes);
      type.add(name, number, this.comment([...path, 2, index]) ?? undefined, target.options);
    });
    if (options) type.options = options;
    else delete type.options;
    return type;
  }

  private service(descriptor: ServiceDescriptor, path: readonly number[]): Service {
    const service = new Service(descriptor.name);
    this.describe(service, 'ServiceOptions', descriptor.options, path);
    descriptor.method.forEach((each, index) => {
      const method = new Method(
        each.name,
        'rpc',
        each.input_type,
        each.output_type,
        each.client_streaming,
        each.server_streaming,
      );
      this.describe(method, 'MethodOptions', each.options, [...path, 2, index]);
      service.add(method);
    });
    return service;
  }

  /** What every object has: its file, its comment, its options. */
  private describe(
    object: Type | Enum | Field | OneOf | Service | Method,
    type: string,
    options: Uint8Array,
    path: readonly number[],
  ): void {
    object.filename = this.name;
    object.comment = this.comment(path);
    this.read(object as OptionsTarget, type, options);
  }

  private comment(path: readonly number[]): string | null {
    return this.comments.get(path.join()) ?? null;
  }

  private read(target: OptionsTarget, type: string, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const options = this.standardOptions(type, bytes);
    for (const [name, value] of Object.entries(options ?? {})) {
      if (name === 'features') target.options = { ...target.options, features: value };
      else setOption(target, name, value);
    }
    this.raw.push({ target, type, bytes });
  }

  /** The options that descriptor.proto defines itself. */
  private standardOptions(type: string, bytes: Uint8Array): Record<string, unknown> | undefined {
    return bytes.length === 0 ? undefined : optionsAs(this.types.options.lookupType(`google.protobuf.${type}`), bytes);
  }
}

/** Reads the options that extensions define, where those are loaded. Call it when everything is resolved. */
export function readCustomOptions(root: Root, all: readonly RawOptions[]): void {
  for (const { target, type: name, bytes } of all) {
    const type = root.lookup(`google.protobuf.${name}`, [Type]);
    if (!(type instanceof Type)) continue;
    for (const [option, value] of Object.entries(optionsAs(type, bytes))) {
      // protobufjs calls the fields of extensions by their full names, with a dot in front.
      if (option.startsWith('.')) setOption(target, `(${option.slice(1)})`, value);
    }
  }
}

function optionsAs(type: Type, bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), { enums: String, longs: Number, bytes: String });
}

/** Sets an option as the parser of protobufjs does: whole in `parsedOptions`, and by the path of each value in `options`. */
function setOption(target: OptionsTarget, name: string, value: unknown): void {
  target.options ??= {};
  target.parsedOptions ??= [];
  for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
    target.parsedOptions.push({ [name]: unwrapped(item) });
    setPaths(target.options, name, item);
  }
}

function setPaths(options: Record<string, unknown>, path: string, value: unknown): void {
  if (Array.isArray(value)) for (const item of value) setPaths(options, path, item);
  else if (typeof value !== 'object' || value === null) options[path] = value;
  else for (const [name, member] of Object.entries(value)) setPaths(options, `${path}.${name}`, member);
}

/** The parser cannot know that what is there once may be repeated. */
function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 1 ? unwrapped(value[0]) : value.map(unwrapped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, unwrapped(member)]));
}

function featuresOf(options: Record<string, unknown> | undefined): object | undefined {
  return options?.['features'] as object | undefined;
}

function typeOf({ type, type_name: name }: FieldDescriptor): string {
  return name || (scalarTypes[type] ?? '');
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** FieldDescriptorProto.default_value is text, "inf" and "nan" included. */
function defaultOf({ type, type_name: enumName, default_value: text }: FieldDescriptor): unknown {
  const scalar = scalarTypes[type];
  if (enumName !== '' || scalar === 'string' || scalar === 'bytes') return text;
  if (scalar === 'bool') return text === 'true';
  return Number(text.replace('inf', 'Infinity'));
}

/** The comment of an object, by its path in the file: what is in front of it, else what is behind it. */
function commentsOf({ source_code_info: info }: FileDescriptor): Map<string, string> {
  const comments = new Map<string, string>();
  for (const location of info?.location ?? []) {
    const text = location.leading_comments || location.trailing_comments;
    const lines = text.split('\n').map((line) => line.trim());
    const comment = lines.join('\n').trim();
    if (comment !== '') comments.set(location.path.join(), comment);
  }
  return comments;
}
