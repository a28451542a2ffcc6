import { common, parse, Reader, Writer, type Message } from 'protobufjs';

/** The fields of google.protobuf.FileDescriptorProto that are read. */
const { root } = parse(
  `
  syntax = "proto3";
  message File {
    message Named { string name = 1; }
    string name = 1;
    string package = 2;
    repeated Named message_type = 4;
    repeated Named enum_type = 5;
  }
`,
  { keepCase: true },
);
const fileType = root.lookupType('File');

interface File extends Message {
  readonly name: string;
  readonly package: string;
  readonly message_type: readonly { readonly name: string }[];
  readonly enum_type: readonly { readonly name: string }[];
}

/** In FileDescriptorProto: the tag of `dependency`, and the numbers of the two fields that hold indexes into it. */
const dependencyTag = (3 << 3) | 2;
const placeFields = [10, 11];

/** A google.protobuf.FileDescriptorSet: the files one after the other, each as field number 1. */
export function descriptorSetOf(files: readonly Uint8Array[]): Uint8Array {
  const writer = Writer.create();
  for (const file of files) writer.uint32((1 << 3) | 2).bytes(file);
  return writer.finish();
}

/**
 * Replaces the files of google.protobuf that a server made up by the standard ones, which protobufjs brings along. Servers in
 * Node.js put everything that they use of a package into one file, so that each server would define the well-known types anew.
 */
export function standardFiles(files: readonly Uint8Array[]): Uint8Array[] {
  const replaced = new Map<string, string[]>();
  for (const bytes of files) {
    const file = decodeFile(bytes);
    if (file.package !== 'google.protobuf' || file.name.startsWith('google/protobuf/')) continue;
    const types = [...file.message_type, ...file.enum_type].map(({ name }) => standardFileOf(name));
    replaced.set(file.name, [...new Set(types)]);
  }
  return files
    .filter((bytes) => !replaced.has(decodeFile(bytes).name))
    .map((bytes) => (replaced.size > 0 ? withDependencies(bytes, replaced) : bytes));
}

function decodeFile(bytes: Uint8Array): File {
  return fileType.decode(bytes) as File;
}

/** The file that defines a type of google.protobuf. */
function standardFileOf(type: string): string {
  const names = ['any', 'duration', 'empty', 'field_mask', 'struct', 'timestamp', 'wrappers'];
  const files = names.map((name) => `google/protobuf/${name}.proto`);
  const isIn = (file: string): boolean =>
    JSON.stringify(common.get(file)?.nested ?? {}).includes(`${JSON.stringify(type)}:{`);
  return files.find(isIn) ?? 'google/protobuf/descriptor.proto';
}

/** A file with other dependencies; all else stays byte for byte. */
function withDependencies(file: Uint8Array, replaced: ReadonlyMap<string, string[]>): Uint8Array {
  const reader = Reader.create(file);
  const kept: Uint8Array[] = [];
  const dependencies = new Set<string>();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag === dependencyTag) {
      const name = reader.string();
      for (const each of replaced.get(name) ?? [name]) dependencies.add(each);
    } else {
      reader.skipType(tag & 7);
      // Indexes into a list that has changed do not count any more.
      if (!placeFields.includes(tag >>> 3)) kept.push(file.subarray(start, reader.pos));
    }
  }
  // Such servers do not list imports either.
  const standard = dependencies.size > 0 ? [] : [...replaced.values()].flat();
  const writer = Writer.create();
  for (const each of [...dependencies, ...standard]) writer.uint32(dependencyTag).string(each);
  return Buffer.concat([...kept, writer.finish()]);
}
