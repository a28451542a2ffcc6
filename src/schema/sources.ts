import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GraphQLError, Kind, parse, Source, type DocumentNode } from 'graphql';
import type { Root } from 'protobufjs';
import { Findings } from '../diagnostics/findings';
import { displayPath, ProtoError } from '../proto/proto-error';
import { loadProtos } from '../proto/protos';

/** Everything that the contract is compiled from. */
export interface Sources {
  /** One document per file of the schema folder; `loc.source.name` is the file. */
  readonly sdl: readonly DocumentNode[];
  /** One document per file of its `rest` folder. */
  readonly rest: readonly DocumentNode[];
  readonly protos: Root;
  /** Names of the upstreams that the SDL uses, sorted. */
  readonly upstreamNames: readonly string[];
}

/** Where the sources are. */
export interface SourceFolders {
  readonly schemaDir: string;
  readonly protoDir: string;
  /** More folders that imports of protos are looked up in. */
  readonly protoInclude?: readonly string[];
}

/**
 * Reads the SDL files of a folder, the operations in its `rest` folder, and all protos.
 *
 * @throws SchemaError listing every file that cannot be read or parsed.
 */
export function loadSources(folders: SourceFolders): Sources {
  const findings = new Findings();
  const sdl = parseFolder(folders.schemaDir, findings);
  if (sdl.length === 0 && findings.list.length === 0) {
    findings.in(
      displayPath(folders.schemaDir),
      'there is no .graphql file',
      'Write one for each upstream, or set SCHEMA_DIR.',
    );
  }
  const rest = parseFolder(join(folders.schemaDir, 'rest'), findings);
  let protos: Root | undefined;
  try {
    protos = loadProtos(folders.protoDir, folders.protoInclude);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    findings.in(error.file, error.problem, error.fix ?? (error.line > 0 ? lookHere : undefined), error.line);
  }
  findings.throwIfAny();
  return { sdl, rest, protos: protos!, upstreamNames: upstreamNames(sdl) };
}

/** The fix for any syntax error. */
const lookHere = 'Look here, and for what is not closed above.';

function parseFolder(folder: string, findings: Findings): DocumentNode[] {
  if (!existsSync(folder)) {
    if (basename(folder) !== 'rest') findings.in(displayPath(folder), 'there is no such folder');
    return [];
  }
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.graphql'))
    .sort();
  return files.flatMap((name) => {
    const file = join(folder, name);
    try {
      return [parse(new Source(readFileSync(file, 'utf8'), displayPath(file)))];
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      const at = error.locations?.[0];
      const message = error.message.replace(/\.$/, '');
      findings.in(displayPath(file), message, lookHere, at?.line, at?.column);
      return [];
    }
  });
}

function upstreamNames(documents: readonly DocumentNode[]): string[] {
  const names = new Set<string>();
  for (const definition of documents.flatMap((document) => document.definitions)) {
    if (definition.kind !== Kind.SCHEMA_EXTENSION && definition.kind !== Kind.SCHEMA_DEFINITION) continue;
    for (const directive of definition.directives ?? []) {
      const name = directive.arguments?.find((argument) => argument.name.value === 'name')?.value;
      if (directive.name.value === 'upstream' && name?.kind === Kind.STRING) names.add(name.value);
    }
  }
  return [...names].sort();
}
