import type { Route } from '../exchange';

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
  /** By method and path. */
  private readonly exact = new Map<string, Route>();
  private readonly templates: Template[] = [];

  /** @throws Error where two routes have the same method and paths that no request could tell apart. */
  constructor(private readonly routes: readonly Route[]) {
    const shapes = new Set<string>();
    for (const route of routes) {
      const shape = `${route.method} ${route.path.replace(/\{[^}]*\}/g, '{}')}`;
      if (shapes.has(shape)) throw new Error(`two routes answer ${route.method} ${route.path}`);
      shapes.add(shape);
      if (route.path.includes('{')) this.templates.push({ route, segments: route.path.split('/') });
      else this.exact.set(`${route.method} ${route.path}`, route);
    }
  }

  /**
   * The route for a request. GET serves HEAD too.
   *
   * @param path - As it came, percent-encoded.
   */
  find(method: string, path: string): Found | undefined {
    const exact = this.exact.get(`${method} ${path}`);
    if (exact) return { route: exact, params: noParams };
    const segments = path.split('/');
    for (const template of this.templates) {
      const params = template.route.method === method ? matchSegments(template.segments, segments) : undefined;
      if (params) return { route: template.route, params };
    }
    return method === 'HEAD' ? this.find('GET', path) : undefined;
  }

  /** What else a path is there for; undefined for a path that leads nowhere. */
  elsewhere(path: string): Elsewhere | undefined {
    const methods = [...new Set(this.routes.map(({ method }) => method))];
    const found = methods.flatMap((method) => this.find(method, path) ?? []);
    const [first] = found;
    return first && { path: first.route.path, methods: found.map(({ route }) => route.method) };
  }
}

function matchSegments(template: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (template.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of template.entries()) {
    const actual = segments[index] ?? '';
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
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
