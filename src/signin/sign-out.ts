import { GatewayError } from '../errors';
import type { Exchange } from '../http/exchange';
import { requestCookies, setCookie } from '../session/cookies';
import type { Gatekeeper } from '../session/gatekeeper';
import type { Providers } from './providers';

/** Signing out here and, where a provider offers it and the configuration asks for it, at the provider. */
export interface SignOut {
  /** Remembers which provider a browser has signed in at, where signing out will have to know. */
  remember(exchange: Exchange, provider: string): void;
  /**
   * Ends the session of an admitted request.
   *
   * @returns Where the browser can end its session at the provider too; undefined where that is not asked for, or not possible.
   * @throws What {@link Gatekeeper.signOut} throws.
   */
  signOut(exchange: Exchange): Promise<string | undefined>;
}

export interface SignOutOptions {
  readonly providers: Providers;
  readonly gatekeeper: Pick<Gatekeeper, 'signOut'>;
  /** Whether cookies do without Secure and prefix. */
  readonly insecureCookies: boolean;
}

/** Ms for which the provider is remembered: as long as Chromium keeps a cookie. Which session it is for does not matter. */
const lifetime = 400 * 24 * 3_600_000;
/** Ms that finding the provider's address may take, once the session here has ended. */
const discoveryTimeout = 2_000;

export function createSignOut({ providers, gatekeeper, insecureCookies }: SignOutOptions): SignOut {
  const secure = !insecureCookies;
  const cookieName = secure ? '__Host-provider' : 'provider';
  const endsSessions = providers.names.some((name) => providers.endsSessions(name));
  // The session itself does not tell. It need not be asked where there is one provider, or none that ends sessions.
  const remembers = endsSessions && providers.names.length > 1;

  function put(exchange: Exchange, value: string, expiresAt: number): void {
    exchange.setCookies.push(setCookie({ name: cookieName, value, secure, expiresAt }));
  }

  function providerOf(exchange: Exchange): string | undefined {
    if (!remembers) return endsSessions ? providers.names[0] : undefined;
    const [found, ...others] = requestCookies(exchange).filter(({ name }) => name === cookieName);
    return found !== undefined && others.length === 0 && providers.has(found.value) ? found.value : undefined;
  }

  async function endSessionUrl(exchange: Exchange, provider: string): Promise<string | undefined> {
    const deadline = Math.min(exchange.deadline, Date.now() + discoveryTimeout);
    try {
      return await providers.endSessionUrl(provider, { signal: exchange.cancellation, deadline });
    } catch (error) {
      // The session here has ended, and that is what the answer says.
      const cause = error instanceof GatewayError ? (error.cause ?? error) : error;
      exchange.log.warn({ err: cause, provider }, 'where to sign out at the identity provider is not known');
      return undefined;
    }
  }

  return {
    remember(exchange, provider) {
      if (remembers) put(exchange, provider, Date.now() + lifetime);
    },
    async signOut(exchange) {
      const provider = providerOf(exchange);
      await gatekeeper.signOut(exchange);
      if (remembers && exchange.headers.cookie?.includes(cookieName)) put(exchange, '', 0);
      return provider !== undefined && providers.endsSessions(provider) ? endSessionUrl(exchange, provider) : undefined;
    },
  };
}
