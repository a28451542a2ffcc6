/** What the published schemas of Kubernetes and of the Prometheus operator have to say about a document. */
import type { Decoded } from '../../gateway-fixture';

/** A class of kubernetes-models. Version 4 of it, since later ones do without Node 20. */
interface Model {
  prototype: { validate(this: unknown): void };
}

/** Everything that the API server would refuse, and every field that it would drop. Empty where there is none. */
export function schemaProblems(document: Decoded): string[] {
  const name = `${String(document?.apiVersion)} ${String(document?.kind)}`;
  const model = modelOf(document);
  if (!model) return [`${name}: no schema is known`];
  const reads: Reads = new Map();
  try {
    model.prototype.validate.call(watched(document, reads));
  } catch (error) {
    return [`${name}: ${error instanceof Error ? error.message : String(error)}`];
  }
  return unread(document, reads).map((path) => `${name}: ${path} is no field`);
}

function modelOf({ apiVersion, kind }: Decoded): Model | undefined {
  const collection = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models';
  try {
    return (require(`${collection}/${apiVersion}/${kind}`) as Record<string, Model>)[kind];
  } catch {
    return undefined;
  }
}

/** Which properties of an object were looked at. */
type Reads = Map<object, Set<string>>;

/**
 * The document, noting what is looked at. The packages have code in place of schemas, made from them: it reads every
 * property that the schema has and no others, so that what it never reads is a field that there is not.
 */
function watched<T>(value: T, reads: Reads): T {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const seen = reads.get(target) ?? new Set();
      reads.set(target, seen);
      if (typeof key === 'string') seen.add(key);
      return watched(Reflect.get(target, key) as unknown, reads);
    },
  });
}

function unread(value: unknown, reads: Reads, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return reads.get(value)?.has(key) === true ? unread(inner, reads, here) : [here];
  });
}
