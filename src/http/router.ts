import type { Route } from './exchange';

/** A route, and what its path's variables are for a request. */
export interface Found {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** A path that is there for other methods than the request's. */
export interface Elsewhere {
  /** Template of a route that the path leads to, for labels and logs. */
  readonly path: string;
  /** All methods that the path is there for. */
  readonly methods: readonly string[];
}

interface Template {
  readonly route: Route;
  readonly segments: readonly string[];
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

/** Finds routes. A segment in braces takes anything; a path without any is preferred. */
export class Router {
  /** By path and method. */
  private readonly exact = new Map<string, Map<string, Found>>();
  private readonly templates: Template[] = [];
  private readonly methods: readonly string[];

  /** @throws Error where two routes have the same method and paths that no request could tell apart. */
  constructor(routes: readonly Route[]) {
    this.methods = [...new Set(routes.map(({ method }) => method))];
    const shapes = new Set<string>();
    for (const route of routes) {
      const shape = `${route.method} ${route.path.replace(/\{[^}]*\}/g, '{}')}`;
      if (shapes.has(shape)) throw new Error(`two routes answer ${route.method} ${route.path}`);
      shapes.add(shape);
      if (route.path.includes('{')) {
        this.templates.push({ route, segments: route.path.split('/') });
      } else {
        const byMethod = this.exact.get(route.path) ?? new Map<string, Found>();
        this.exact.set(route.path, byMethod.set(route.method, { route, params: noParams }));
      }
    }
  }

  /**
   * The route for a request. GET serves HEAD too.
   *
   * @param path - As it came, percent-encoded.
   */
  find(method: string, path: string): Found | undefined {
    const exact = this.exact.get(path)?.get(method);
    if (exact) return exact;
    const segments = path.split('/');
    for (const template of this.templates) {
      const params = template.route.method === method ? matchSegments(template.segments, segments) : undefined;
      if (params) return { route: template.route, params };
    }
    return method === 'HEAD' ? this.find('GET', path) : undefined;
  }

  /** What else a path is there for; undefined for a path that leads nowhere. */
  elsewhere(path: string): Elsewhere | undefined {
    const found = this.methods.flatMap((method) => this.find(method, path) ?? []);
    const [first] = found;
    return first && { path: first.route.path, methods: found.map(({ route }) => route.method) };
  }
}

function matchSegments(template: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (template.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (let index = 0; index < template.length; index += 1) {
    const expected = template[index]!;
    const actual = segments[index]!;
    if (!expected.startsWith('{')) {
      if (expected !== actual) return undefined;
      continue;
    }
    const value = decode(actual);
    if (value === undefined || value === '') return undefined;
    params[expected.slice(1, -1)] = value;
  }
  return params;
}

function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
