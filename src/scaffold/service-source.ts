import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Root, Service } from 'protobufjs';
import { didYouMean } from '../diagnostics/did-you-mean';
import { displayPath, ProtoError } from '../proto/proto-error';
import { findService, loadProtos, protosOf } from '../proto/protos';
import { reflect, ReflectionError, type ReflectionOptions } from '../proto/reflection';
import { serviceName, serviceNames } from '../schema/services';
import { descriptorSetOf, standardFiles } from './descriptor-files';
import { ImportError } from './import-error';
import { upstreamName } from './names';

/** Where the gateway's protos are. */
export interface ProtoFolders {
  readonly protoDir: string;
  /** More folders that imports are looked up in. */
  readonly protoInclude: readonly string[];
}

/** A service with the protos that define it. */
export interface ServiceSource {
  readonly service: Service;
  /** The contents of the proto folder, together with what this service needs there. */
  readonly protos: Root;
  /** The file to write for it; undefined where none is needed. */
  readonly descriptorSet: { readonly path: string; readonly bytes: Uint8Array } | undefined;
  /** What is left to do about protos, for the user. */
  readonly hints: readonly string[];
}

/** True for the path of a proto or a descriptor set, rather than the address of a server. */
export function isProtoPath(source: string): boolean {
  return /\.(proto|binpb|pb|desc|protoset|fds)$/.test(source);
}

/**
 * Asks a server for a service.
 *
 * @param asked - Full name of the service; undefined for the only one that the server has.
 * @param upstream - What the upstream is called; undefined for what the service is called.
 * @throws ImportError where there is no such server, no reflection or no such service
 */
export async function fromServer(
  options: ReflectionOptions,
  asked: string | undefined,
  upstream: string | undefined,
  folders: ProtoFolders,
): Promise<ServiceSource> {
  const { target } = options;
  const { name, files } = await orImportError(() =>
    reflect(options, async (server) => {
      const known = await server.services();
      const found = asked ?? onlyOf(known, target);
      const its = await server.filesOf(found);
      if (its.length === 0) throw unknownService(found, known, target);
      return { name: found, files: standardFiles(its) };
    }),
  );
  const theirs = await orImportError(() => serviceIn(protosOf(files, target), name, target));
  const path = join(folders.protoDir, `${upstream ?? upstreamName(name)}.binpb`);
  const own = await orImportError(() => staged(folders, { without: path }));
  const ownService = own && findService(own, name);
  if (own && ownService) {
    return {
      service: ownService,
      protos: own,
      descriptorSet: undefined,
      hints: differences(ownService, theirs, target),
    };
  }
  const bytes = descriptorSetOf(files);
  const protos = await orImportError(() => staged(folders, { with: { name: basename(path), bytes } }));
  return { service: serviceIn(protos, name, target), protos, descriptorSet: { path, bytes }, hints: [] };
}

/**
 * Reads a proto, or a descriptor set.
 *
 * @param asked - Full name of the service; undefined for the only one that the file defines.
 * @param include - Where imports are looked up before anywhere else but the proto folder.
 * @throws ImportError where it cannot be read or has no such service
 */
export async function fromFile(
  file: string,
  asked: string | undefined,
  include: readonly string[],
  folders: ProtoFolders,
): Promise<ServiceSource> {
  const bytes = contentOf(file);
  const { protoDir, protoInclude } = folders;
  const inside = below(protoDir, file);
  const place =
    inside === undefined ? placeOf(file, bytes, [...include, ...protoInclude]) : { name: inside, from: protoDir };
  const lookUp = [
    ...new Set(
      [...include, ...(inside === undefined ? [place.from] : []), ...protoInclude].map((each) => resolve(each)),
    ),
  ];
  const protos = await orImportError(() =>
    staged({ protoDir, protoInclude: lookUp }, inside === undefined ? { with: { name: place.name, bytes } } : {}),
  );
  const shown = displayPath(file);
  const isSet = !file.endsWith('.proto');
  const defined = serviceNames(protos).filter((name) => isSet || findService(protos, name)?.filename === place.name);
  const service = serviceIn(protos, asked ?? onlyOf(defined, shown), shown);
  const hints = protosToCopy(protos, { file, name: place.name, isInside: inside !== undefined }, lookUp, folders);
  return { service, protos, descriptorSet: undefined, hints };
}

/** Runs something that reads protos or asks a server; its errors become ImportErrors. */
async function orImportError<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ReflectionError || error instanceof ProtoError) throw new ImportError(error.message);
    throw error;
  }
}

function onlyOf(known: readonly string[], where: string): string {
  const [only, ...more] = known;
  if (only !== undefined && more.length === 0) return only;
  throw new ImportError(
    only === undefined ? `${where} has no service` : `${where} has several services; say which:\n${listed(known)}`,
  );
}

function unknownService(name: string, known: readonly string[], where: string): ImportError {
  const hint = didYouMean(name, known);
  return new ImportError(
    `${where} has no service "${name}". ${hint ?? ''}`.trimEnd() +
      (known.length > 0 ? `\nIt has:\n${listed(known)}` : ''),
  );
}

function listed(names: readonly string[]): string {
  return names.map((name) => `  ${name}`).join('\n');
}

function serviceIn(protos: Root, name: string, where: string): Service {
  const found = findService(protos, name);
  if (!found) throw unknownService(name, serviceNames(protos), where);
  return found;
}

interface FolderChange {
  /** A file to add, by its path in the folder. */
  readonly with?: { readonly name: string; readonly bytes: Uint8Array };
  /** The path of a file to leave out. */
  readonly without?: string;
}

/** What the gateway would read from the proto folder after a change. */
function staged({ protoDir, protoInclude }: ProtoFolders, change: FolderChange): Root {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  try {
    if (existsSync(protoDir)) {
      const filter = (path: string): boolean => resolve(path) !== change.without;
      cpSync(protoDir, folder, { recursive: true, dereference: true, filter });
    }
    if (change.with) {
      const path = join(folder, change.with.name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, change.with.bytes);
    }
    return loadProtos(folder, protoInclude);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    const shown = (text: string): string => text.replaceAll(displayPath(folder), displayPath(protoDir));
    const { line, fix } = error;
    throw new ProtoError(shown(error.file), shown(error.problem), { line, fix: fix === undefined ? fix : shown(fix) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Hints about the RPCs that only one of the two has. */
function differences(own: Service, theirs: Service, target: string): string[] {
  const lacking = (of: Service, from: Service): string[] =>
    Object.keys(from.methods).filter((name) => !of.methods[name]);
  const [missing, extra] = [lacking(own, theirs), lacking(theirs, own)];
  const where = own.filename ?? 'The protos';
  return [
    `${where} defines ${serviceName(own)} already, and was used.`,
    ...(missing.length > 0 ? [`${where} lacks ${missing.join(', ')}, which ${target} has.`] : []),
    ...(extra.length > 0 ? [`${where} has ${extra.join(', ')}, which ${target} lacks.`] : []),
  ];
}

/** @throws ImportError where a file cannot be read */
export function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ImportError(
      `${displayPath(file)} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  }
}

/** The path of a file from a folder that it is in, as protos write it. */
function below(folder: string, file: string): string | undefined {
  const path = relative(folder, file);
  return path === '' || path.startsWith('..') || isAbsolute(path) ? undefined : path.split(sep).join('/');
}

/**
 * The name that other protos import a file by, and the folder that this is a path from: one of those given, else the one that
 * the file's package suggests.
 */
function placeOf(
  file: string,
  bytes: Buffer,
  folders: readonly string[],
): { readonly name: string; readonly from: string } {
  for (const folder of folders) {
    const name = below(folder, file);
    if (name !== undefined) return { name, from: folder };
  }
  const folder = dirname(file);
  const parts = /(?:^|;)\s*package\s+([\w.]+)\s*;/m.exec(bytes.toString('utf8'))?.[1]?.split('.') ?? [];
  const isThere = file.endsWith('.proto') && folder.endsWith(join(sep, ...parts));
  const from = isThere ? resolve(folder, ...parts.map(() => '..')) : folder;
  return { name: below(from, file) ?? basename(file), from };
}

/** Files that need not be in any folder: protobufjs brings them along. */
const bundled = /^google\/(protobuf\/\w+|api\/(annotations|http))\.proto$/;

/** Hints about the files that the gateway would not find. */
function protosToCopy(
  protos: Root,
  main: { readonly file: string; readonly name: string; readonly isInside: boolean },
  lookUp: readonly string[],
  { protoDir, protoInclude }: ProtoFolders,
): string[] {
  const isFound = (name: string): boolean =>
    bundled.test(name) || [protoDir, ...protoInclude].some((folder) => existsSync(join(folder, name)));
  const folderOf = (name: string): string | undefined => lookUp.find((folder) => existsSync(join(folder, name)));
  const imported = protos.files.filter((name) => name !== main.name && !isFound(name) && folderOf(name) !== undefined);
  const copy = (from: string, name: string): string => `${displayPath(from)} to ${displayPath(join(protoDir, name))}`;
  const folders = [...new Set(imported.map((name) => folderOf(name) ?? ''))];
  const target = join(protoDir, main.name);
  const isSame = main.isInside || (existsSync(target) && readFileSync(target).equals(readFileSync(main.file)));
  const over = existsSync(target)
    ? `${displayPath(main.file)} over ${displayPath(target)}`
    : copy(main.file, main.name);
  return [
    ...(isSame ? [] : [`Copy ${over}.`]),
    ...(imported.length > 0
      ? [
          `Set PROTO_INCLUDE=${folders.map(displayPath).join(':')} for what it imports, or copy that as well:`,
          ...imported.map((name) => `    ${copy(join(folderOf(name) ?? '', name), name)}`),
        ]
      : []),
  ];
}
