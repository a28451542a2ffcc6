import { readdirSync, readFileSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { common, Root, Service, Writer, type INamespace, type Method, type Type } from 'protobufjs';
import type { Rpc } from '../grpc/upstream';
import { asSent } from '../internals/protobufjs';
import { completeNames } from './complete-names';
import { ItemCounter } from './decoded-items';
import { readCustomOptions, readDescriptorSet, type CustomOptions, type DescribedFile } from './descriptor-set';
import { displayPath, ProtoError } from './proto-error';
import { readProtoText } from './proto-text';

/** A message as it was read from the wire, or as it is to be written: fields by their names in the proto. */
export type ProtoMessage = Readonly<Record<string, unknown>>;

/** What descriptor sets are called, as `buf build -o` and `protoc -o` are mostly told to. */
const descriptorSet = /\.(binpb|pb|desc|protoset|fds)$/;

/**
 * Reads every `.proto` and every descriptor set below a folder, and what they import. Imports are looked up in that folder
 * and its descriptor sets, then in `include`, then among the files that come with protobuf. Names stay as the proto has
 * them. A file that is there under two names is one file; where a folder and a descriptor set have a file of the same name,
 * the folder's counts.
 *
 * @param include - More folders, of which nothing is read but what is imported.
 * @throws ProtoError naming the file, for what cannot be found or read, or is defined twice.
 */
export function loadProtos(folder: string, include: readonly string[] = []): Root {
  const loader = new ProtoLoader(folder, include);
  loader.loadFolder();
  return loader.finish();
}

/**
 * The same of descriptors alone, as gRPC reflection answers with.
 *
 * @param files - Each a google.protobuf.FileDescriptorProto, in any order.
 * @param shown - Where they are from, for errors.
 */
export function protosOf(files: readonly Uint8Array[], shown: string): Root {
  const loader = new ProtoLoader(undefined, []);
  loader.loadDescriptors(files, shown);
  return loader.finish();
}

/** Where an imported file was found. */
type Found =
  | { readonly kind: 'text'; readonly path: string; readonly text: string }
  | { readonly kind: 'described'; readonly file: DescribedFile; readonly set: string }
  | { readonly kind: 'common'; readonly json: INamespace };

/** Who imports a file. */
interface Importer {
  readonly shown: string;
  /** Left out for a file of a descriptor set. */
  readonly text?: string;
}

class ProtoLoader {
  private readonly root = new Root();
  /** Files as a person would type them, by name. */
  private readonly shown = new Map<string, string>();
  /** What was read, so that a file with two names is read once. */
  private readonly texts = new Set<string>();
  private readonly textByName = new Map<string, string>();
  /** Files of descriptor sets with the set that they are in, by name. */
  private readonly described = new Map<string, { readonly file: DescribedFile; readonly set: string }>();
  private readonly options: CustomOptions[] = [];

  constructor(
    private readonly folder: string | undefined,
    private readonly include: readonly string[],
  ) {
    for (const each of folder === undefined ? include : [folder, ...include]) {
      if (!isFolder(each)) throw new ProtoError(displayPath(each), 'there is no such folder');
    }
  }

  loadFolder(): void {
    const { folder = '' } = this;
    const files = filesBelow(folder);
    for (const name of files.filter((each) => descriptorSet.test(each))) {
      const path = join(folder, name);
      this.addDescribed(bytesOf(path), displayPath(path));
    }
    for (const name of files.filter((each) => each.endsWith('.proto'))) {
      const path = join(folder, name);
      this.load(name, { kind: 'text', path, text: textOf(path) });
    }
    this.loadDescribed();
  }

  loadDescriptors(files: readonly Uint8Array[], shown: string): void {
    // A descriptor set is its files one after the other, each as field number 1.
    const set = Writer.create();
    for (const file of files) set.uint32(10).bytes(file);
    this.addDescribed(set.finish(), shown);
    this.loadDescribed();
  }

  private addDescribed(bytes: Uint8Array, set: string): void {
    for (const file of readDescriptorSet(bytes, set)) {
      const other = this.described.get(file.name);
      // What comes with protobuf and Google's APIs is in every set, in whatever version its maker had.
      if (other && !file.name.startsWith('google/') && !other.file.isSame(file)) {
        throw new ProtoError(set, `${file.name} is not what it is in ${other.set}`, {
          fix: 'Write both again from the same files, or remove one.',
        });
      }
      if (!other) this.described.set(file.name, { file, set });
    }
  }

  private loadDescribed(): void {
    for (const [name, { file, set }] of this.described) {
      // A file of the folder counts before one of the same name in a set.
      if (!this.shown.has(name)) this.load(name, { kind: 'described', file, set });
    }
  }

  private load(name: string, found: Found): void {
    if (this.shown.has(name)) return;
    if (found.kind === 'text' && this.texts.has(found.text)) return;
    const { root } = this;
    root.files.push(name);
    if (found.kind === 'common') {
      this.shown.set(name, `${name} of protobuf`);
      root.addJSON(found.json.nested ?? {});
      for (const each of root.define('google.protobuf').nestedArray) each.filename ??= name;
      return;
    }
    const shown = found.kind === 'text' ? displayPath(found.path) : `${found.set}: ${name}`;
    this.shown.set(name, shown);
    if (found.kind === 'text') {
      this.texts.add(found.text);
      this.textByName.set(name, found.text);
    }
    const imports = this.defining(name, shown, () => {
      if (found.kind === 'text') return readProtoText(root, found.text, name, shown);
      this.options.push(...found.file.addTo(root));
      return found.file.imports;
    });
    const importer: Importer = found.kind === 'text' ? { shown, text: found.text } : { shown };
    for (const each of imports) if (!this.shown.has(each)) this.load(each, this.find(each, importer));
  }

  /** Says where the other definition is of what is defined twice. */
  private defining<T>(file: string, shown: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const problem = error instanceof ProtoError ? error.problem : (error as Error).message;
      const [, name = '', place = ''] = /^duplicate name '(.+)' in \w+ ?\.?(.*)$/.exec(problem) ?? [];
      if (name === '') throw error instanceof ProtoError ? error : new ProtoError(shown, problem);
      const fullName = place === '' ? name : `${place}.${name}`;
      // Not found where it is in a message that has just been read.
      const other = this.root.lookup(`.${fullName}`)?.filename ?? file;
      const otherShown = this.shown.get(other) ?? other;
      if (other === file) throw new ProtoError(shown, `${fullName} is defined twice`);
      const folder = folderOf(shown, other) ?? folderOf(otherShown, file);
      throw new ProtoError(shown, `${fullName} is defined in ${otherShown} too`, {
        fix:
          folder === undefined
            ? 'Remove one of the two. A file that others import must be where they look for it, by the same path.'
            : `Set PROTO_INCLUDE to ${folder}, if they are the same: then both names are of one file.`,
      });
    }
  }

  private find(name: string, importer: Importer): Found {
    const line = importLine(name, importer.text);
    if (name.split('/').some((part) => part === '' || part === '.' || part === '..') || name.includes('\\')) {
      throw new ProtoError(importer.shown, `imports "${name}", which is no path from a folder of protos`, { line });
    }
    const inFolder = this.folder === undefined ? undefined : textIn(this.folder, name);
    if (inFolder) return inFolder;
    const described = this.described.get(name);
    if (described) return { kind: 'described', ...described };
    for (const folder of this.include) {
      const included = textIn(folder, name);
      if (included) return included;
    }
    const json = commonProto(name);
    if (json) return { kind: 'common', json };
    const path = bundled(name);
    if (path !== undefined) return { kind: 'text', path, text: textOf(path) };
    const folders = [this.folder ?? [], ...this.include].flat().map(displayPath);
    const places = [...folders, 'the files that come with protobuf'].join(', nor in ');
    const fix = this.nearFix(name) ?? (importer.text === undefined ? describedImportFix : importFix(name));
    throw new ProtoError(importer.shown, `imports "${name}", which is not in ${places}`, { line, fix });
  }

  /** Where the folder has the file, but by a longer path, as where it holds a folder of vendored protos. */
  private nearFix(name: string): string | undefined {
    const { folder } = this;
    if (folder === undefined) return undefined;
    const near = filesBelow(folder).find((file) => file.endsWith(`/${name}`));
    return near && `Set PROTO_INCLUDE to ${displayPath(join(folder, near.slice(0, -name.length - 1)))}: there it is.`;
  }

  /** Resolves everything. */
  finish(): Root {
    try {
      completeNames(
        this.root,
        (file) => this.shown.get(file) ?? file,
        (file, words) => lineWith(words, this.textByName.get(file)),
      );
    } catch (error) {
      if (error instanceof ProtoError) throw error;
      throw new ProtoError(displayPath(this.folder ?? ''), (error as Error).message);
    }
    asSent(this.root);
    readCustomOptions(this.root, this.options);
    return this.root;
  }
}

function textIn(folder: string, name: string): Found | undefined {
  const path = join(folder, name);
  return isFile(path) ? { kind: 'text', path, text: textOf(path) } : undefined;
}

/** The folder that a file would have to be looked up in to be found by another name. */
function folderOf(shown: string, name: string): string | undefined {
  return name !== '' && shown.endsWith(`/${name}`) ? shown.slice(0, -name.length - 1) : undefined;
}

const describedImportFix =
  'Write the set with its imports, as buf build and protoc --include_imports do, or set PROTO_INCLUDE.';

function importFix(name: string): string {
  return /^google\/(api|rpc|type)\//.test(name)
    ? 'Set PROTO_INCLUDE to a folder that has google/api, google/rpc and google/type, such as a copy of github.com/googleapis/googleapis.'
    : `Set PROTO_INCLUDE to the folder that has "${name}".`;
}

function importLine(name: string, text = ''): number {
  return text.split('\n').findIndex((line) => /^\s*import\b/.test(line) && line.includes(name)) + 1;
}

/** The first line with all of some words; 0 where there is none. */
function lineWith(words: readonly string[], text = ''): number {
  return text.split('\n').findIndex((line) => words.every((word) => line.split(/[^\w.]+/).includes(word))) + 1;
}

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statOf(path)?.isFile() ?? false;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    // Not there, not allowed, or a link to itself: whoever reads it is told.
    return undefined;
  }
}

/**
 * Paths below a folder, sorted. Links are followed, a folder is visited once. What begins with a dot is left out: in a
 * volume of Kubernetes that is where the links lead to.
 */
function filesBelow(folder: string): string[] {
  const visited = new Set<string>();
  const visit = (path: string, name: string): string[] => {
    const real = realpathSync(path);
    if (visited.has(real)) return [];
    visited.add(real);
    let entries: string[];
    try {
      entries = readdirSync(path).sort();
    } catch (error) {
      throw fileError(path, error);
    }
    return entries
      .filter((entry) => !entry.startsWith('.'))
      .flatMap((entry) => {
        const [below, shortName] = [join(path, entry), name === '' ? entry : `${name}/${entry}`];
        return isFolder(below) ? visit(below, shortName) : [shortName];
      });
  };
  return visit(folder, '');
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileError(path, error);
  }
}

function fileError(path: string, error: unknown): ProtoError {
  return new ProtoError(displayPath(path), `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
}

function textOf(path: string): string {
  return bytesOf(path).toString('utf8');
}

/** The well-known types. protobufjs has their fields in lowerCamelCase, with the names of their protos as `protoName`. */
function commonProto(name: string): INamespace | undefined {
  const known = common.get(name);
  if (!known) return undefined;
  const text = JSON.stringify(known);
  const renamed = [...text.matchAll(/"(\w+)":\{[^{}]*"protoName":"(\w+)"/g)].reduce(
    (result, [, camelCase, protoName]) => result.replaceAll(`"${camelCase}"`, `"${protoName}"`),
    text,
  );
  return JSON.parse(renamed) as INamespace;
}

/** Other files that protobufjs brings along: descriptor.proto and its like, annotations.proto and http.proto of google.api. */
function bundled(name: string): string | undefined {
  const path = join(dirname(require.resolve('protobufjs/package.json')), name);
  return /^google\/(api|protobuf)\/\w+\.proto$/.test(name) && isFile(path) ? path : undefined;
}

/** Finds a service by its full name. */
export function findService(root: Root, name: string): Service | undefined {
  const found = root.lookup(name, [Service]);
  return found instanceof Service && found.fullName === `.${name}` ? found : undefined;
}

/** Makes an RPC callable: compiled writers and readers for its messages. */
export function rpcOf<Req = ProtoMessage, Res = ProtoMessage>(method: Method): Rpc<Req, Res> {
  const { resolvedRequestType: request, resolvedResponseType: response } = method.resolve() as Method & {
    resolvedRequestType: Type;
    resolvedResponseType: Type;
  };
  const items = new ItemCounter(response);
  return {
    service: (method.parent as Service).fullName.slice(1),
    method: method.name,
    serverStreaming: method.responseStream === true,
    idempotency: (method.getOption('idempotency_level') as Rpc<Req, Res>['idempotency'] | undefined) ?? 'NONE',
    // protobufjs writes with Node's Buffer where there is one.
    encode: (value) => request.encode(value as ProtoMessage).finish() as Buffer,
    decode: (bytes) => response.decode(bytes) as Res,
    hasMoreItems: (bytes, than) => items.exceeds(bytes, than),
  };
}
