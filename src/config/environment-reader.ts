import { InvalidValue } from './values';
import type { Variable } from './variables';

/** Reads environment variables and collects what is wrong with them. */
export class EnvironmentReader {
  /** A line each. */
  readonly problems: string[] = [];
  /** Names of the variables that were asked for. */
  readonly known = new Set<string>();
  /** Names of the variables with a problem. */
  readonly refused = new Set<string>();
  /** Decides between the defaults of a variable that has two. */
  production = true;

  constructor(readonly env: NodeJS.ProcessEnv) {}

  /** The value, or undefined where the variable is unset and has no default. An empty variable is an unset one. */
  optional<T>(entry: Variable<T>, prefix?: string): T | undefined {
    const name = variableName(entry, prefix);
    this.known.add(name);
    const text = this.env[name] || this.#preset(entry);
    if (text === undefined) return undefined;
    try {
      // Mostly a newline that `base64` or an editor left behind, which would be hard to find later.
      if (text.trim() !== text) throw new InvalidValue('its value has white space around it');
      return entry.parse(text);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      this.problem(entry, error.message, prefix);
      return undefined;
    }
  }

  /**
   * The value. A missing or bad one is a problem. What this returns is then undefined in spite of its type, and nobody sees
   * it: the configuration as a whole is refused.
   */
  required<T>(entry: Variable<T>, prefix?: string): T {
    const before = this.problems.length;
    const value = this.optional(entry, prefix);
    if (value === undefined && this.problems.length === before) this.problem(entry, undefined, prefix);
    return value as T;
  }

  isSet(entry: Variable<unknown>, prefix?: string): boolean {
    return Boolean(this.env[variableName(entry, prefix)]);
  }

  /** @param wrong - What is wrong with the value; undefined where there is none. */
  problem(entry: Variable<unknown>, wrong: string | undefined, prefix?: string): void {
    const name = variableName(entry, prefix);
    this.refused.add(name);
    this.problems.push(`${wrong === undefined ? `${name} is not set` : `${name}: ${wrong}`}; give ${entry.expected}`);
  }

  #preset({ default: preset }: Variable<unknown>): string | undefined {
    if (preset === undefined || typeof preset === 'string') return preset;
    return this.production ? preset.production : preset.otherwise;
  }
}

/** @param prefix - Of the upstream or provider that the variable is for. */
export function variableName({ name }: Variable<unknown>, prefix = ''): string {
  return name.replace(/<\w+>/, prefix);
}
