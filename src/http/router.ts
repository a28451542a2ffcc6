import type { Route } from '../exchange';

/** What a path leads to. */
export interface Match {
  /** The template, for labels and logs. */
  readonly path: string;
  /** By method; GET serves HEAD too. */
  readonly methods: ReadonlyMap<string, Route>;
  readonly params: Readonly<Record<string, string>>;
}

interface Template {
  readonly path: string;
  readonly segments: readonly string[];
  readonly methods: Map<string, Route>;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

/** Finds routes by path. A segment in braces takes anything; a path without any is preferred. */
export class Router {
  private readonly exact = new Map<string, Template>();
  private readonly templates: Template[] = [];

  /** @throws Error where two routes have the same method and paths that no request could tell apart. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const template = this.templateOf(route.path);
      if (template.methods.has(route.method)) throw new Error(`two routes answer ${route.method} ${route.path}`);
      template.methods.set(route.method, route);
    }
  }

  private templateOf(path: string): Template {
    const isExact = !path.includes('{');
    const same = (other: Template): boolean => shape(other.path) === shape(path);
    const known = isExact ? this.exact.get(path) : this.templates.find(same);
    if (known) return known;
    const template: Template = { path, segments: path.split('/'), methods: new Map() };
    if (isExact) this.exact.set(path, template);
    else this.templates.push(template);
    return template;
  }

  /** @param path - As it came, percent-encoded. */
  match(path: string): Match | undefined {
    const exact = this.exact.get(path);
    if (exact) return { path, methods: exact.methods, params: noParams };
    const segments = path.split('/');
    for (const template of this.templates) {
      const params = matchSegments(template.segments, segments);
      if (params) return { path: template.path, methods: template.methods, params };
    }
    return undefined;
  }
}

function shape(path: string): string {
  return path.replace(/\{[^}]*\}/g, '{}');
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
