import { createHash, timingSafeEqual } from 'node:crypto';
import type { Exchange } from '../http/exchange';
import { requestCookies, setCookie, type RequestCookie } from '../session/cookies';
import { createSeal } from './seal';

/** A sign-in under way. Only its browser holds it, and only the gateway can read it. */
export interface Attempt {
  readonly provider: string;
  /** As the provider's metadata had it when the sign-in began (RFC 9207 section 2.4). */
  readonly issuer: string;
  /** Whether the provider announced that its answer names the issuer. */
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

/** Checks the fields: another version of the gateway may have sealed others. */
function isAttempt(value: unknown): value is Attempt {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(attemptTypes).every(([name, type]) => typeof fields[name] === type);
}

/** The sign-ins under way in a browser, each in a cookie of its own, so that tabs do not disturb each other. */
export interface Attempts {
  /** Sets the cookie of a new attempt, and clears the oldest ones where there are too many. */
  begin(exchange: Exchange, attempt: Omit<Attempt, 'issuedAt'>): Promise<void>;
  /**
   * Takes the attempt that a callback belongs to. Its cookie is cleared, even if the callback fails.
   *
   * @param states - Every `state` of the callback. Where there are several, nothing is found, and the attempts of all are
   * cleared.
   * @returns undefined where this browser has no such attempt, or no longer.
   */
  take(exchange: Exchange, states: readonly string[]): Promise<Attempt | undefined>;
}

/** Ms. */
const lifetime = 600_000;
/** How many attempts a browser may have at a time. */
const most = 5;
/** How many cookies of attempts are looked at. No browser has more, unless somebody else made them. */
const mostOpened = 20;
/** Characters of the digest of `state` in a cookie's name. */
const suffixLength = 16;
const suffix = new RegExp(`^[\\w-]{${suffixLength}}$`);
/** Characters of all attempts together: several long `returnTo`s must not exceed the limit of request headers. */
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
  const nameFor = (state: string): string => prefix + digest(state).toString('base64url').slice(0, suffixLength);

  const cookiesOf = (exchange: Exchange): RequestCookie[] =>
    requestCookies(exchange).filter(({ name }) => name.startsWith(prefix) && suffix.test(name.slice(prefix.length)));

  function clear(exchange: Exchange, name: string): void {
    exchange.setCookies.push(setCookie({ name, value: '', secure, expiresAt: 0 }));
  }

  async function open({ value }: RequestCookie): Promise<Attempt | undefined> {
    const attempt = await seal.unseal(value);
    return isAttempt(attempt) ? attempt : undefined;
  }

  /** Clears expired attempts, and the oldest ones until another of this size fits. */
  async function makeRoom(exchange: Exchange, size: number): Promise<void> {
    // Of cookies of one name, which a browser does not have, the first counts.
    const names = new Set<string>();
    const cookies = cookiesOf(exchange).filter(({ name }) => !names.has(name) && names.add(name));
    const opened = await Promise.all(
      cookies.slice(-mostOpened).map(async (cookie) => ({ cookie, issuedAt: (await open(cookie))?.issuedAt ?? 0 })),
    );
    // Browsers send older cookies first (RFC 6265 section 5.4), which orders attempts of the same ms.
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

/** Compares in constant time: it depends neither on where the values differ nor on their length. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
