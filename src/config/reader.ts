import { InvalidValue } from './values';
import type { Variable } from './variables';

/** Reads variables and keeps what is wrong with them. */
export class Reader {
  readonly problems: string[] = [];
  readonly known = new Set<string>();
  readonly refused = new Set<string>();
  production = true;

  constructor(readonly env: NodeJS.ProcessEnv) {}

  /** The value, or undefined where the variable is unset and has no default. An empty variable is an unset one. */
  optional<T>(entry: Variable<T>, prefix?: string): T | undefined {
    const name = nameOf(entry, prefix);
    this.known.add(name);
    const text = this.env[name] || this.#preset(entry);
    if (text === undefined) return undefined;
    try {
      // Mostly the newline that `base64` or an editor left behind; it would be looked for in vain further on.
      if (text.trim() !== text) throw new InvalidValue('its value has white space around it');
      return entry.parse(text);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      this.problem(entry, error.message, prefix);
      return undefined;
    }
  }

  /**
   * The value. Where there is none, or a bad one, that is a problem and what comes back is undefined after all: it goes
   * nowhere, since reading the configuration then fails as a whole.
   */
  required<T>(entry: Variable<T>, prefix?: string): T {
    const before = this.problems.length;
    const value = this.optional(entry, prefix);
    if (value === undefined && this.problems.length === before) this.problem(entry, undefined, prefix);
    return value as T;
  }

  isSet(entry: Variable<unknown>, prefix?: string): boolean {
    return Boolean(this.env[nameOf(entry, prefix)]);
  }

  problem(entry: Variable<unknown>, wrong: string | undefined, prefix?: string): void {
    const name = nameOf(entry, prefix);
    this.refused.add(name);
    this.problems.push(`${wrong === undefined ? `${name} is not set` : `${name}: ${wrong}`}; give ${entry.expected}`);
  }

  #preset({ default: preset }: Variable<unknown>): string | undefined {
    if (preset === undefined || typeof preset === 'string') return preset;
    return this.production ? preset.production : preset.otherwise;
  }
}

export function nameOf({ name }: Variable<unknown>, prefix = ''): string {
  return name.replace(/<\w+>/, prefix);
}
