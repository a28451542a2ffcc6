/**
 * Writes descriptor sets as protoc does, so that no protoc is needed: from protos that were read from text, by way of
 * descriptor.proto.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Enum,
  Field,
  MapField,
  type Method,
  parse,
  type Root,
  Service,
  Type,
  type NamespaceBase,
  type OneOf,
  type ReflectionObject,
} from 'protobufjs';

const numberOfType: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const [groupType, messageType, enumType] = [10, 11, 14];

interface SetOptions {
  /** Files to leave out, as protoc does without --include_imports. */
  readonly without?: readonly string[];
  /** The syntax or edition of every file; `proto3` where left out. */
  readonly syntax?: Readonly<Record<string, string>>;
  /** Features of whole files: protobufjs puts them on everything that is in them. */
  readonly features?: Readonly<Record<string, object>>;
}

/** A FileDescriptorSet of everything that a root holds. */
export function descriptorSetOf(root: Root, { without = [], syntax = {}, features = {} }: SetOptions = {}): Uint8Array {
  const files = root.files.filter((name) => !without.includes(name));
  const described = files.map((name) => new FileWriter(root, name, syntax[name] ?? 'proto3', features[name]).file());
  const type = descriptorRoot(root).lookupType('google.protobuf.FileDescriptorSet');
  return type.encode(type.fromObject({ file: described })).finish();
}

/** descriptor.proto with the extensions of its options, where the root has them. */
function descriptorRoot(root: Root): Root {
  if (root.lookup('google.protobuf.FileDescriptorSet')) return root;
  const path = join(__dirname, '../../node_modules/protobufjs/google/protobuf/descriptor.proto');
  return parse(readFileSync(path, 'utf8'), { keepCase: true }).root.resolveAll() as Root;
}

type Descriptor = Record<string, unknown>;
type Described = Type | Enum | Field | Service | Method | OneOf;

class FileWriter {
  private readonly locations: Descriptor[] = [];
  private readonly imports = new Set<string>();
  private readonly descriptors: Root;

  constructor(
    private readonly root: Root,
    private readonly name: string,
    private readonly syntax: string,
    private readonly features: object | undefined,
  ) {
    this.descriptors = descriptorRoot(root);
  }

  file(): Descriptor {
    const own = objectsOf(this.root).filter(
      ({ parent, filename }) => filename === this.name && !(parent instanceof Type) && !(parent instanceof Service),
    );
    const at = <T extends ReflectionObject>(kind: new (...args: never[]) => T, path: number) =>
      own.filter((each) => each instanceof kind).map((each, index) => [each as T, [path, index]] as const);
    const isEdition = /^\d/.test(this.syntax);
    const definitions = {
      message_type: at(Type, 4).map(([type, path]) => this.message(type, path)),
      enum_type: at(Enum, 5).map(([type, path]) => this.enum(type, path)),
      service: at(Service, 6).map(([service, path]) => this.service(service, path)),
      extension: at(Field, 7).map(([field, path]) => this.field(field, path)),
    };
    this.imports.delete(this.name);
    return {
      name: this.name,
      package: own[0]?.parent?.fullName.slice(1) ?? '',
      dependency: [...this.imports],
      ...definitions,
      syntax: isEdition ? 'editions' : this.syntax === 'proto2' ? undefined : this.syntax,
      ...(isEdition ? { edition: `EDITION_${this.syntax}` } : {}),
      ...(this.features ? { options: { features: this.features } } : {}),
      source_code_info: { location: this.locations },
    };
  }

  private message(type: Type, path: readonly number[]): Descriptor {
    this.comment(type, path);
    const fields = type.fieldsArray.filter((field) => !field.declaringField);
    const nested = (kind: typeof Type | typeof Enum | typeof Field) =>
      type.nestedArray.filter((each) => each instanceof kind);
    return {
      name: type.name,
      field: fields.map((field, index) => this.field(field, [...path, 2, index])),
      nested_type: [
        ...(nested(Type) as Type[]).map((each, index) => this.message(each, [...path, 3, index])),
        ...fields.filter((field) => isMap(field)).map(entryOf),
      ],
      enum_type: (nested(Enum) as Enum[]).map((each, index) => this.enum(each, [...path, 4, index])),
      extension: (nested(Field) as Field[]).map((each, index) => this.field(each, [...path, 6, index])),
      oneof_decl: type.oneofsArray.map(({ name }) => ({ name })),
      options: this.options(type, 'MessageOptions'),
    };
  }

  private field(field: Field, path: readonly number[]): Descriptor {
    this.comment(field, path);
    this.import(field.resolvedType ?? field.extensionField?.parent);
    const jsonName = field.name.replace(/_+(.?)/g, (_, next: string) => next.toUpperCase());
    const { json_name: renamed, default: preset, proto3_optional: isOptional } = field.options ?? {};
    const group = (field.resolvedType as { group?: boolean } | null)?.group === true;
    return {
      name: field.name,
      number: field.id,
      label: field.repeated || isMap(field) ? 3 : this.syntax === 'proto2' && field.required ? 2 : 1,
      ...(isMap(field)
        ? { type: messageType, type_name: `${field.parent?.fullName}.${entryName(field)}` }
        : typeOf(field.type, field.resolvedType, group)),
      json_name: renamed ?? jsonName,
      ...(preset === undefined ? {} : { default_value: String(preset).replace('Infinity', 'inf') }),
      ...(field.extend === undefined ? {} : { extendee: field.extensionField?.parent?.fullName }),
      ...(field.partOf && field.parent instanceof Type
        ? { oneof_index: field.parent.oneofsArray.indexOf(field.partOf) }
        : {}),
      ...(isOptional === undefined ? {} : { proto3_optional: true }),
      options: this.options(field, 'FieldOptions'),
    };
  }

  private enum(type: Enum, path: readonly number[]): Descriptor {
    this.comment(type, path);
    return {
      name: type.name,
      value: Object.entries(type.values).map(([name, number], index) => {
        this.commentText(type.comments[name], [...path, 2, index]);
        return { name, number };
      }),
      options: this.options(type, 'EnumOptions'),
    };
  }

  private service(service: Service, path: readonly number[]): Descriptor {
    this.comment(service, path);
    return {
      name: service.name,
      method: service.methodsArray.map((method, index) => {
        this.comment(method, [...path, 2, index]);
        this.import(method.resolvedRequestType);
        this.import(method.resolvedResponseType);
        return {
          name: method.name,
          input_type: method.resolvedRequestType?.fullName,
          output_type: method.resolvedResponseType?.fullName,
          ...(method.requestStream ? { client_streaming: true } : {}),
          ...(method.responseStream ? { server_streaming: true } : {}),
          options: this.options(method, 'MethodOptions'),
        };
      }),
      options: this.options(service, 'ServiceOptions'),
    };
  }

  private import(object: ReflectionObject | null | undefined): void {
    let top = object;
    while (top?.parent instanceof Type) top = top.parent;
    if (top?.filename) this.imports.add(top.filename);
  }

  private comment(object: Described, path: readonly number[]): void {
    this.commentText(object.comment, path);
  }

  private commentText(text: string | null | undefined, path: readonly number[]): void {
    if (!text) return;
    const lines = text.split('\n').map((line) => ` ${line}\n`);
    this.locations.push({ path, span: [0, 0, 0], leading_comments: lines.join('') });
  }

  /** Options as descriptor.proto has them; those of extensions by the names that protobufjs gives their fields. */
  private options(object: Described, typeName: string): Descriptor | undefined {
    const type = this.descriptors.lookupType(`google.protobuf.${typeName}`);
    const result: Descriptor = {};
    const { features } = object.options ?? {};
    const isOfFile = this.features && object.parent && !(object.parent instanceof Type);
    if (features && !isOfFile) result['features'] = features;
    for (const option of (object.parsedOptions ?? []) as Descriptor[]) {
      for (const [key, value] of Object.entries(option)) {
        const field = type.fields[key.replace(/^\((.+)\)$/, '.$1')];
        if (!field || ['json_name', 'default', 'proto3_optional', 'features'].includes(key)) continue;
        this.import(field.declaringField);
        const wrapped = wrap(field, value);
        result[field.name] = field.repeated
          ? [...((result[field.name] ?? []) as unknown[]), ...(wrapped as unknown[])]
          : wrapped;
      }
    }
    return Object.keys(result).length === 0 ? undefined : result;
  }
}

/** The parser of protobufjs does not know what is repeated. */
function wrap(field: Field, value: unknown): unknown {
  const items = (Array.isArray(value) ? value : [value]).map((item: unknown) => {
    const { resolvedType } = field.resolve();
    if (!(resolvedType instanceof Type)) return item;
    const members = Object.entries(item as Descriptor).map(([name, member]) => [
      name,
      wrap(resolvedType.fields[name]!, member),
    ]);
    return Object.fromEntries(members);
  });
  return field.repeated ? items : items[0];
}

function isMap(field: Field): field is Field & MapField {
  return (field as unknown) instanceof MapField;
}

function typeOf(type: string, resolved: Type | Enum | null, group = false): Descriptor {
  if (resolved instanceof Enum) return { type: enumType, type_name: resolved.fullName };
  if (resolved instanceof Type) return { type: group ? groupType : messageType, type_name: resolved.fullName };
  return { type: numberOfType[type] };
}

function entryName({ name }: Field): string {
  return `${name.replace(/(^|_+)(.?)/g, (_, _gap, next: string) => next.toUpperCase())}Entry`;
}

function entryOf(field: Field & MapField): Descriptor {
  return {
    name: entryName(field),
    field: [
      { name: 'key', number: 1, label: 1, ...typeOf(field.keyType, null), json_name: 'key' },
      { name: 'value', number: 2, label: 1, ...typeOf(field.type, field.resolvedType), json_name: 'value' },
    ],
    options: { map_entry: true },
  };
}

function objectsOf(namespace: NamespaceBase): ReflectionObject[] {
  return namespace.nestedArray.flatMap((each) =>
    'nestedArray' in each ? [each, ...objectsOf(each as NamespaceBase)] : [each],
  );
}
