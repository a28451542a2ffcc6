/** The manifests as files. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Decoded } from '../gateway-fixture';

const root = join(__dirname, '../..');

/** The text of files, by their paths below the root of the repository. */
export type Files = ReadonlyMap<string, string>;

/** Where manifests are: the base, and the overlays. */
export const folders = { base: 'k8s', overlays: 'deploy' };

/** Reads everything in these folders. */
export function readFiles(): Map<string, string> {
  const paths = Object.values(folders).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  );
  return new Map(paths.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/**
 * The documents of a text, read as kubectl reads them: by YAML 1.1, where 0440 is octal and `no` is false.
 *
 * @throws Error where it is not YAML, or a key is there twice
 */
export function documentsOf(text: string): Decoded[] {
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS();
  });
}

export const isKustomization = (path: string): boolean => path.endsWith('/kustomization.yaml');
export const isExample = (path: string): boolean => path.endsWith('.example.yaml');
const isYaml = (path: string): boolean => /\.ya?ml$/.test(path);

/** All that `kubectl apply -k k8s` applies as it stands, and the examples. */
export function baseObjects(files: Files): Decoded[] {
  return [...files].flatMap(([path, text]) =>
    dirname(path) === folders.base && isYaml(path) && !isKustomization(path) ? documentsOf(text) : [],
  );
}

/** The fields of a kustomization that are in use here; others are mistakes until somebody adds them. */
const fields = [
  'apiVersion',
  'kind',
  'resources',
  'images',
  'patches',
  'configMapGenerator',
  'generatorOptions',
  'namespace',
];

/** What is wrong with the kustomizations: unknown fields, files that are not there, files that nobody lists. */
export function kustomizationProblems(files: Files): string[] {
  const problems: string[] = [];
  const listed = new Set<string>();
  for (const [path, text] of files) {
    if (!isKustomization(path)) continue;
    const [kustomization]: Decoded[] = documentsOf(text);
    for (const field of Object.keys(kustomization)) {
      if (!fields.includes(field)) problems.push(`${path}: ${field} is no field`);
    }
    for (const name of filesOf(kustomization)) {
      const target = normalize(join(dirname(path), name));
      if (!files.has(target) && !files.has(join(target, 'kustomization.yaml'))) {
        problems.push(`${path}: there is no ${name}`);
      } else if (!files.has(target) && path.startsWith(`${target}/`)) {
        problems.push(`${path}: ${name} contains it, which kustomize refuses`);
      }
      listed.add(target);
    }
    for (const { path: name } of kustomization.patches ?? []) {
      const target = normalize(join(dirname(path), name ?? '.'));
      const patches = files.has(target) ? documentsOf(files.get(target)!) : [];
      const known = baseObjects(files).map(identityOf);
      for (const patch of patches) {
        if (!known.includes(identityOf(patch))) {
          problems.push(`${path}: ${name} patches ${identityOf(patch)}, which is not there`);
        }
      }
    }
  }
  for (const path of files.keys()) {
    if (!listed.has(path) && !isKustomization(path) && !isExample(path)) {
      problems.push(`${path}: no kustomization lists it`);
    }
  }
  return problems;
}

function filesOf({ resources = [], patches = [], configMapGenerator = [] }: Decoded): string[] {
  return [
    ...resources,
    ...patches.flatMap(({ path }: Decoded) => (path === undefined ? [] : [path])),
    // "key=file", or the file alone.
    ...configMapGenerator.flatMap((each: Decoded) =>
      (each.files ?? []).map((file: string) => file.replace(/^[^=]*=/, '')),
    ),
  ];
}

/** Kind, namespace and name: of each there can be one. */
export function identityOf({ kind, metadata }: Decoded): string {
  return `${kind} ${metadata?.namespace}/${metadata?.name}`;
}
