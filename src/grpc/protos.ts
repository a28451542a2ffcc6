import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { common, type Method, parse, Root, Service, type Type } from 'protobufjs';
import type { Rpc } from './upstream';

/** A message as it was read from the wire, or as it is to be written: fields by their names in the proto. */
export type ProtoMessage = Readonly<Record<string, unknown>>;

/** A proto that cannot be read, with where and why. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
  constructor(
    readonly file: string,
    message: string,
  ) {
    super(`${file}: ${message}`);
  }
}

/**
 * Reads every `.proto` below a folder. Imports are looked up from that folder, then among the well-known types.
 * Names stay as the proto has them.
 *
 * @throws ProtoError naming the file, for what cannot be found or parsed.
 */
export function loadProtos(folder: string): Root {
  const root = new Root();
  // A relative import must not climb out of the folder by accident.
  root.resolvePath = (_origin, target) => (common.get(target) ? target : resolve(folder, target));
  for (const file of protoFiles(folder)) readInto(root, folder, file);
  root.resolveAll();
  return root;
}

function protoFiles(folder: string): string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new ProtoError(folder, 'there is no such folder');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.proto'))
    .sort();
}

function readInto(root: Root, folder: string, file: string): void {
  if (root.files.includes(file)) return;
  root.files.push(file);
  const known = common.get(file);
  if (known) {
    if (known.nested) root.addJSON(known.nested);
    return;
  }
  const path = join(folder, file);
  if (!existsSync(path)) throw new ProtoError(relative('', path), 'the file is imported but not there');
  let parsed;
  try {
    // Undocumented in its types: what the parsed objects and error messages carry as their file.
    (parse as { filename?: string | null }).filename = file;
    parsed = parse(readFileSync(path, 'utf8'), root, {
      keepCase: true,
      alternateCommentMode: true,
      preferTrailingComment: true,
    });
  } catch (error) {
    throw new ProtoError(relative('', path), error instanceof Error ? error.message : String(error));
  }
  for (const name of [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])]) readInto(root, folder, name);
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
  return {
    service: (method.parent as Service).fullName.slice(1),
    method: method.name,
    serverStreaming: method.responseStream === true,
    idempotency: (method.getOption('idempotency_level') as Rpc<Req, Res>['idempotency'] | undefined) ?? 'NONE',
    // protobufjs writes with Node's Buffer where there is one.
    encode: (value) => request.encode(value as ProtoMessage).finish() as Buffer,
    decode: (bytes) => response.decode(bytes) as Res,
  };
}
