import type { Route } from './exchange';

/** Where a request leads. */
export interface Match {
  /** The route that answers the request; undefined where none has both its path and its method. */
  readonly route: Route | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Template of the path, for labels and logs; undefined where no route has this path. */
  readonly path: string | undefined;
  /** Where there is no route for the request's method: the methods that its path has, HEAD among them. */
  readonly otherMethods: readonly string[];
}

interface Template {
  readonly route: Route;
  readonly segments: readonly string[];
}

const noParams: Match['params'] = Object.freeze({});
const noMethods: Match['otherMethods'] = Object.freeze([]);
const nowhere: Match = { route: undefined, params: noParams, path: undefined, otherMethods: noMethods };

/** Finds routes. A segment in braces takes any value that is not empty; a path without braces comes first. */
export class Router {
  /** Routes without braces, by path and method. */
  private readonly exact = new Map<string, Map<string, Match>>();
  private readonly templates: Template[] = [];
  private readonly methods: readonly string[];

  /** @throws Error where two routes have the same method and paths that no request could tell apart. */
  constructor(routes: readonly Route[]) {
    this.methods = [...new Set([...routes.map(({ method }) => method), 'HEAD'])];
    const shapes = new Set<string>();
    for (const route of routes) {
      const shape = `${route.method} ${route.path.replace(/\{[^}]*\}/g, '{}')}`;
      if (shapes.has(shape)) throw new Error(`two routes answer ${route.method} ${route.path}`);
      shapes.add(shape);
      if (route.path.includes('{')) {
        this.templates.push({ route, segments: route.path.split('/') });
      } else {
        const byMethod = this.exact.get(route.path) ?? new Map<string, Match>();
        this.exact.set(route.path, byMethod.set(route.method, matchOf(route, noParams)));
      }
    }
  }

  /** @param path - As the client sent it, percent-encoded. */
  match(method: string, path: string): Match {
    return this.find(method, path) ?? this.findOtherMethods(path);
  }

  private find(method: string, path: string): Match | undefined {
    const exact = this.exact.get(path)?.get(method);
    if (exact) return exact;
    const segments = path.split('/');
    for (const template of this.templates) {
      const params = template.route.method === method ? matchSegments(template.segments, segments) : undefined;
      if (params) return matchOf(template.route, params);
    }
    if (method !== 'HEAD') return undefined;
    // GET serves HEAD too (RFC 9110, 9.3.2).
    const get = this.find('GET', path);
    return get?.route?.servesHead === false ? undefined : get;
  }

  private findOtherMethods(path: string): Match {
    const otherMethods = this.methods.filter((method) => this.find(method, path));
    const [first] = otherMethods;
    if (first === undefined) return nowhere;
    return { route: undefined, params: noParams, path: this.find(first, path)?.path, otherMethods };
  }
}

function matchOf(route: Route, params: Match['params']): Match {
  return { route, params, path: route.path, otherMethods: noMethods };
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
