import { createHash, timingSafeEqual } from 'node:crypto';
import type { Exchange } from '../http/exchange';
import { requestCookies, setCookie, type RequestCookie } from '../session/cookies';
import { createSeal } from './sealed-cookie';

/** What a sign-in began with; only this browser has it, and only the gateway can read it. */
export interface Attempt {
  readonly provider: string;
  /** As the provider's metadata had it when the sign-in began (RFC 9207 section 2.4). */
  readonly issuer: string;
  /** Whether the provider promised to name itself in its answer. */
  readonly issuerRequired: boolean;
  readonly state: string;
  readonly codeVerifier: string;
  readonly nonce: string;
  readonly returnTo: string;
  /** Ms since the epoch. */
  readonly issuedAt: number;
}

const attemptTypes: Readonly<Record<keyof Attempt, 'string' | 'boolean' | 'number'>> = {
  provider: 'string',
  issuer: 'string',
  issuerRequired: 'boolean',
  state: 'string',
  codeVerifier: 'string',
  nonce: 'string',
  returnTo: 'string',
  issuedAt: 'number',
};

/** Whoever sealed it: another version of the gateway may have sealed something else. */
function isAttempt(value: unknown): value is Attempt {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(attemptTypes).every(([name, type]) => typeof fields[name] === type);
}

/** The sign-ins that a browser has begun, each in a cookie of its own, so that tabs do not get in each other's way. */
export interface Attempts {
  /** Gives the browser a new attempt, and takes the oldest away where there are too many. */
  begin(exchange: Exchange, attempt: Omit<Attempt, 'issuedAt'>): Promise<void>;
  /**
   * Takes the attempt that a callback belongs to: its cookie is cleared, whatever becomes of the callback.
   *
   * @param states - Every `state` of the callback. More than one finds nothing, and costs the attempts of all.
   * @returns undefined where this browser has no such attempt, or has it no more.
   */
  take(exchange: Exchange, states: readonly string[]): Promise<Attempt | undefined>;
}

/** Ms. */
const lifetime = 600_000;
/** Attempts that a browser may have at a time. */
const most = 5;
/** Characters of all attempts together: long `returnTo`s must not bring the request's headers over their limit. */
const mostCharacters = 8192;

export interface AttemptsOptions {
  /** The first seals, all unseal. */
  readonly secrets: readonly string[];
  /** Whether cookies are Secure and prefixed. */
  readonly secure: boolean;
}

export function createAttempts({ secrets, secure }: AttemptsOptions): Attempts {
  const seal = createSeal({ secrets, purpose: 'sign-in attempt', lifetime });
  const prefix = secure ? '__Host-signin-' : 'signin-';
  const nameFor = (state: string): string => prefix + digest(state).toString('base64url').slice(0, 16);

  const cookiesOf = (exchange: Exchange): RequestCookie[] =>
    requestCookies(exchange).filter(({ name }) => name.startsWith(prefix));

  function clear(exchange: Exchange, name: string): void {
    exchange.setCookies.push(setCookie({ name, value: '', secure, expiresAt: 0 }));
  }

  async function open({ value }: RequestCookie): Promise<Attempt | undefined> {
    const attempt = await seal.unseal(value);
    return isAttempt(attempt) ? attempt : undefined;
  }

  /** Clears the attempts of a request that are over, and the oldest until another of this size fits in. */
  async function makeRoom(exchange: Exchange, size: number): Promise<void> {
    const opened = await Promise.all(
      cookiesOf(exchange).map(async (cookie) => ({ cookie, issuedAt: (await open(cookie))?.issuedAt ?? 0 })),
    );
    // Of two that began within one ms the later is the one that stands behind (RFC 6265 section 5.4).
    const newestFirst = opened.toReversed().toSorted((a, b) => b.issuedAt - a.issuedAt);
    let characters = size;
    for (const [index, { cookie, issuedAt }] of newestFirst.entries()) {
      characters += cookie.name.length + cookie.value.length;
      if (issuedAt === 0 || index >= most - 1 || characters > mostCharacters) clear(exchange, cookie.name);
    }
  }

  return {
    async begin(exchange, attempt) {
      const issuedAt = Date.now();
      const name = nameFor(attempt.state);
      const value = await seal.seal({ ...attempt, issuedAt } satisfies Attempt);
      await makeRoom(exchange, name.length + value.length);
      exchange.setCookies.push(setCookie({ name, value, secure, expiresAt: issuedAt + lifetime }));
    },

    async take(exchange, states) {
      const names = new Set(states.map(nameFor));
      const found = cookiesOf(exchange).filter(({ name }) => names.has(name));
      for (const name of new Set(found.map((cookie) => cookie.name))) clear(exchange, name);
      const [state] = states;
      const [cookie] = found;
      if (state === undefined || states.length > 1 || cookie === undefined || found.length > 1) return undefined;
      const attempt = await open(cookie);
      return attempt && sameSecret(attempt.state, state) ? attempt : undefined;
    },
  };
}

/** Compares in a time that says nothing of where two values differ, nor of their length. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
