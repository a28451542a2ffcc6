import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { GraphQLError, Kind, parse, Source, type DocumentNode } from 'graphql';
import { prefixOf } from '../config/config';
import { Findings, formatFinding, SchemaError, type Finding } from '../diagnostics/findings';
import { displayPath } from '../proto/proto-error';
import { ImportError } from '../scaffold/import-error';
import { upstreamName } from '../scaffold/names';
import { scaffold, type TakenNames } from '../scaffold/scaffold';
import { contentOf, fromFile, fromServer, isProtoPath, type ServiceSource } from '../scaffold/service-source';
import { argsOf } from '../schema/directive-nodes';
import { serviceName } from '../schema/services';
import type { SourceFolders, Sources } from '../schema/sources';
import type { CommandResult } from './command-result';
import { readArguments, usage, type ImportArguments } from './import-arguments';

export interface ImportOptions {
  /** Where the gateway's own schema and protos are. */
  readonly folders: SourceFolders;
  /** Runs the checks that the gateway runs when it starts. */
  readonly check: (sources: Sources, findings: Findings) => unknown;
}

/**
 * Runs `npm run import`. Exit code 0: written; 1: refused to overwrite, or written and in need of mending; 2: nothing could be
 * imported.
 *
 * @param args - The arguments behind the command's name.
 */
export async function runImport(args: readonly string[], options: ImportOptions): Promise<CommandResult> {
  try {
    const asked = readArguments(args);
    return asked ? await importService(asked, options) : { exitCode: 0, stdout: usage, stderr: '' };
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    return { exitCode: 2, stdout: '', stderr: `${error.message}\n` };
  }
}

async function importService(asked: ImportArguments, options: ImportOptions): Promise<CommandResult> {
  const { folders } = options;
  const source = await sourceOf(asked, folders);
  const service = serviceName(source.service);
  const upstream = asked.name ?? upstreamName(service);
  const out = resolve(asked.out ?? join(folders.schemaDir, `${upstream}.graphql`));
  const { descriptorSet } = source;
  const newSet = descriptorSet && !isSame(descriptorSet.path, descriptorSet.bytes) ? descriptorSet : undefined;
  const there = [out, newSet?.path].filter((path) => path !== undefined && existsSync(path)) as string[];
  if (there.length > 0 && !asked.force) {
    const files = there.map(displayPath).join(' and ');
    const stderr = `${files}: it is there already. --force overwrites it, --name and --out lead elsewhere.\n`;
    return { exitCode: 1, stdout: '', stderr };
  }

  const before = sdlBelow(folders.schemaDir, out);
  const existing = before.filter((document) => fileOf(document) !== displayPath(out));
  const { sdl, fields } = scaffold({ service: source.service, upstream, taken: takenNames(existing) });
  const added = parse(new Source(sdl, displayPath(out)));
  const findings = newFindings(before, [...existing, added], displayPath(out), source, options);
  write(out, sdl);
  if (newSet) write(newSet.path, newSet.bytes);

  const sharing = existing.filter((document) => upstreamsOf(document).includes(upstream)).map(fileOf);
  const steps = [...source.hints, ...nextSteps(out, upstream, sharing)];
  const written = [
    `${displayPath(out)}: ${fields.length} root field(s) of ${service}`,
    ...(newSet ? [`${displayPath(newSet.path)}: its protos`] : []),
  ];
  return {
    exitCode: findings.length === 0 ? 0 : 1,
    stdout: `${written.join('\n')}\n\nWhat is left to do:\n${steps.map((step) => `${step.startsWith(' ') ? '' : '- '}${step}\n`).join('')}`,
    stderr:
      findings.length === 0
        ? ''
        : `\nThe gateway will not start before this is mended:\n${findings.map(formatFinding).join('\n')}\n`,
  };
}

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

async function sourceOf(
  { source, service, name, include, tls }: ImportArguments,
  folders: SourceFolders,
): Promise<ServiceSource> {
  const { protoDir, protoInclude = [] } = folders;
  const protos = { protoDir, protoInclude };
  if (isProtoPath(source)) {
    return fromFile(
      resolve(source),
      service,
      include.map((each) => resolve(each)),
      protos,
    );
  }
  const authorities = typeof tls === 'string' ? contentOf(tls) : tls;
  const scheme = /^(https?:\/\/)(.+)$/.exec(source);
  if (scheme) {
    throw new ImportError(`${source} is no address of a server: give ${scheme[2]}, and --tls where it speaks TLS`);
  }
  if (existsSync(source)) throw new ImportError(`${displayPath(source)} is neither a .proto file nor a descriptor set`);
  return fromServer({ target: source, ...(authorities === false ? {} : { tls: authorities }) }, service, name, protos);
}

function isSame(path: string, bytes: Uint8Array): boolean {
  return existsSync(path) && readFileSync(path).equals(bytes);
}

/**
 * The SDL files of a folder; none where it is not there.
 *
 * @param replaced - A file that may have syntax errors, since it is about to be replaced.
 * @throws ImportError for a file with a syntax error
 */
function sdlBelow(folder: string, replaced?: string): DocumentNode[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .flatMap((name) => {
      const file = displayPath(join(folder, name));
      try {
        return parse(new Source(readFileSync(join(folder, name), 'utf8'), file));
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error;
        if (join(folder, name) === replaced) return [];
        throw new ImportError(`${file}:${error.locations?.[0]?.line ?? 1}: ${error.message}`);
      }
    });
}

function fileOf(document: DocumentNode): string {
  return document.loc?.source.name ?? '';
}

/** The names that other files have taken. */
function takenNames(documents: readonly DocumentNode[]): TakenNames {
  const types = new Map<string, string>();
  const fields = {
    Query: new Map<string, string>(),
    Mutation: new Map<string, string>(),
    Subscription: new Map<string, string>(),
  };
  for (const document of documents) {
    for (const definition of document.definitions) {
      if (!('name' in definition) || !definition.name) continue;
      const name = definition.name.value;
      if (name === 'Query' || name === 'Mutation' || name === 'Subscription') {
        const members = 'fields' in definition ? (definition.fields ?? []) : [];
        for (const member of members) fields[name].set(member.name.value, basename(fileOf(document)));
      } else if (!types.has(name)) types.set(name, basename(fileOf(document)));
    }
  }
  return { types, fields };
}

function upstreamsOf(document: DocumentNode): string[] {
  return document.definitions.flatMap((definition) =>
    definition.kind === Kind.SCHEMA_EXTENSION || definition.kind === Kind.SCHEMA_DEFINITION
      ? (definition.directives ?? [])
          .filter(({ name }) => name.value === 'upstream')
          .map((directive) => String(argsOf(directive)['name']))
      : [],
  );
}

/** The findings in a file, and those in other files that were not there before it. */
function newFindings(
  before: readonly DocumentNode[],
  after: readonly DocumentNode[],
  file: string,
  { protos }: ServiceSource,
  { folders, check }: ImportOptions,
): Finding[] {
  const rest = sdlBelow(join(folders.schemaDir, 'rest'));
  const findingsOf = (sdl: readonly DocumentNode[]): readonly Finding[] => {
    const findings = new Findings();
    try {
      check({ sdl, rest, protos, upstreamNames: [...new Set(sdl.flatMap(upstreamsOf))].sort() }, findings);
    } catch (error) {
      // Everything that it lists is among the findings.
      if (!(error instanceof SchemaError)) throw error;
    }
    return findings.list;
  };
  const known = new Set(findingsOf(before).map(({ message }) => message));
  return findingsOf(after).filter((finding) => finding.file === file || !known.has(finding.message));
}

function nextSteps(out: string, upstream: string, sharing: readonly string[]): string[] {
  const variable = `${prefixOf(upstream)}_SERVICE_ADDR`;
  return [
    sharing.length === 0
      ? `Set ${variable}.`
      : `${sharing.join(' and ')} names the upstream "${upstream}" too: both are reached at ${variable}. --name gives another.`,
    `Put your permissions in ${displayPath(out)}: as it is, nobody may ask for anything.`,
  ];
}
