/** The manifests as files. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Decoded } from '../../gateway-fixture';

const root = join(__dirname, '../../..');

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

const isKustomization = (path: string): boolean => path.endsWith('/kustomization.yaml');
const isExample = (path: string): boolean => path.endsWith('.example.yaml');
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
  'replacements',
  'namespace',
];

/** What is wrong with the kustomizations: unknown fields, files that are not there, files that nobody lists. */
export function kustomizationProblems(files: Files): string[] {
  const kustomizations = [...files].filter(([path]) => isKustomization(path));
  const listed = new Set(kustomizations.flatMap(([path, text]) => filesOf(documentsOf(text)[0]).map(from(path))));
  const forgotten = [...files.keys()].filter((path) => !listed.has(path) && !isKustomization(path) && !isExample(path));
  return [
    ...kustomizations.flatMap(([path, text]) => problemsOf(files, path, documentsOf(text)[0])),
    ...forgotten.map((path) => `${path}: no kustomization lists it`),
  ];
}

/** What a path in this file means. */
const from =
  (path: string) =>
  (name: string): string =>
    normalize(join(dirname(path), name));

function problemsOf(files: Files, path: string, kustomization: Decoded): string[] {
  const objects = new Set(baseObjects(files).map(identityOf));
  const problems = Object.keys(kustomization)
    .filter((field) => !fields.includes(field))
    .map((field) => `${field} is no field`);
  for (const name of filesOf(kustomization)) {
    const target = from(path)(name);
    const isFolder = files.has(join(target, 'kustomization.yaml'));
    if (!files.has(target) && !isFolder) problems.push(`there is no ${name}`);
    if (isFolder && path.startsWith(`${target}/`)) problems.push(`${name} contains it, which kustomize refuses`);
  }
  for (const name of patchFilesOf(kustomization)) {
    for (const patched of documentsOf(files.get(from(path)(name)) ?? '').map(identityOf)) {
      if (!objects.has(patched)) problems.push(`${name} patches ${patched}, which is not there`);
    }
  }
  return problems.map((problem) => `${path}: ${problem}`);
}

function filesOf(kustomization: Decoded): string[] {
  const { resources = [], configMapGenerator = [] } = kustomization;
  // "key=file", or the file alone.
  const data: string[] = configMapGenerator.flatMap((each: Decoded) => each.files ?? []);
  return [...resources, ...patchFilesOf(kustomization), ...data.map((file) => file.replace(/^[^=]*=/, ''))];
}

function patchFilesOf({ patches = [] }: Decoded): string[] {
  return patches.flatMap(({ path }: Decoded) => (path === undefined ? [] : [path]));
}

/** Kind, namespace and name: of each there can be one. */
export function identityOf({ kind, metadata }: Decoded): string {
  return `${kind} ${metadata?.namespace}/${metadata?.name}`;
}
