import type { Configuration } from 'openid-client';
import type { ProviderConfig } from '../config/config';
import { isLoopback } from '../config/values';
import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
import { waitFor } from '../session/wait-for';
import { boundedFetch } from './bounded-fetch';

/** Loaded at the first sign-in, to keep the start fast. */
const loadClient = () => import('openid-client');

/** Where to send a browser, and what to check the provider's answer against. */
export interface Authorization {
  readonly url: URL;
  /** As in the provider's metadata. */
  readonly issuer: string;
  /** Whether the answer must carry `iss` (RFC 9207 section 3). */
  readonly issuerRequired: boolean;
}

/** Random values that a sign-in is bound to, each of at least 256 bits. */
export interface AuthorizationSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export interface Providers {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Whether who signs out here is to be signed out at the provider too. */
  endsSessions(name: string): boolean;
  /** Where a provider sends the browser back to. It comes from the configuration, never from a request. */
  redirectUri(name: string): string;
  /**
   * Prepares an authorization code request with PKCE (OpenID Connect Core section 3.1.2.1, RFC 7636).
   *
   * @throws GatewayError NOT_FOUND for an unknown provider; SERVICE_UNAVAILABLE for one that cannot be reached or whose
   * metadata is of no use; the reason of the scope's signal; GATEWAY_TIMEOUT once its deadline has passed.
   */
  authorize(
    name: string,
    secrets: AuthorizationSecrets,
    scope: Pick<CallScope, 'signal' | 'deadline' | 'clientDeadline'>,
  ): Promise<Authorization>;
  /**
   * Where a browser ends its session at a provider, and comes back from (OpenID Connect RP-Initiated Logout, section 2).
   *
   * @throws GatewayError as {@link authorize} does; SERVICE_UNAVAILABLE too where the provider has no such place.
   */
  endSessionUrl(name: string, scope: Pick<CallScope, 'signal' | 'deadline'>): Promise<string>;
}

export interface ProvidersOptions {
  readonly providers: readonly ProviderConfig[];
  /** Where the gateway is reached, without a path. */
  readonly publicUrl: string;
  /** Where browsers go after sign-in, and after sign-out at a provider: a path, or a URL. */
  readonly postLoginUrl: string;
}

/** Seconds, as openid-client counts. */
const discoveryTimeout = 5;
/** Ms for which a provider's metadata counts as current. */
const metadataTtl = 3_600_000;
/** Whole seconds. */
const retryAfter = 5;

interface Discovered {
  readonly configuration: Promise<Configuration>;
  /** By the monotonic clock, in ms. */
  readonly staleAt: number;
}

/** Discovers providers (OpenID Connect Discovery) at the first sign-in, so that none of them can keep the gateway from starting. */
export function createProviders({ providers, publicUrl, postLoginUrl }: ProvidersOptions): Providers {
  const known = new Map(providers.map((provider) => [provider.name, provider]));
  const discovered = new Map<string, Discovered>();

  const redirectUri = (name: string): string => new URL(`/api/v1/auth/${name}/callback`, publicUrl).href;

  /** Concurrent sign-ins share one discovery. A failed one is forgotten, so that the next sign-in tries again. */
  function configurationOf(provider: ProviderConfig): Promise<Configuration> {
    const earlier = discovered.get(provider.name);
    if (earlier && earlier.staleAt > performance.now()) return earlier.configuration;
    const configuration = discover(provider).catch((error: unknown) => {
      discovered.delete(provider.name);
      throw unavailable(provider.name, error);
    });
    discovered.set(provider.name, { configuration, staleAt: performance.now() + metadataTtl });
    return configuration;
  }

  function demand(name: string): ProviderConfig {
    const provider = known.get(name);
    if (!provider) throw unknownProvider();
    return provider;
  }

  return {
    names: [...known.keys()],
    has: (name) => known.has(name),
    endsSessions: (name) => known.get(name)?.logout === true,
    redirectUri,

    async authorize(name, { state, nonce, codeVerifier }, scope) {
      const provider = demand(name);
      const configuration = await waitFor(configurationOf(provider), scope);
      const { buildAuthorizationUrl, calculatePKCECodeChallenge } = await loadClient();
      const { issuer, authorization_response_iss_parameter_supported: namesItself } = configuration.serverMetadata();
      const url = buildAuthorizationUrl(configuration, {
        response_type: 'code',
        redirect_uri: redirectUri(name),
        scope: provider.scopes,
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      });
      return { url, issuer, issuerRequired: namesItself === true };
    },

    async endSessionUrl(name, scope) {
      const provider = demand(name);
      const configuration = await waitFor(configurationOf(provider), scope);
      const { end_session_endpoint: endpoint } = configuration.serverMetadata();
      if (!isUsable(endpoint, provider)) {
        throw unavailable(name, new Error('the metadata name no end_session_endpoint that a browser may be sent to'));
      }
      const { buildEndSessionUrl } = await loadClient();
      // It adds the client id. The ID token, which would spare the user a question, is AuthService's.
      return buildEndSessionUrl(configuration, { post_logout_redirect_uri: new URL(postLoginUrl, publicUrl).href })
        .href;
    },
  };
}

/** Plain http is allowed where the issuer has it: the configuration accepts that only on loopback, outside production. */
async function discover(provider: ProviderConfig): Promise<Configuration> {
  const { issuer, clientId } = provider;
  const { allowInsecureRequests, customFetch, discovery, None } = await loadClient();
  // The gateway only sends browsers there; the client secret is AuthService's, which redeems the code.
  const configuration = await discovery(new URL(issuer), clientId, undefined, None(), {
    timeout: discoveryTimeout,
    [customFetch]: boundedFetch,
    ...(isInsecure(provider) ? { execute: [allowInsecureRequests] } : {}),
  });
  const { authorization_endpoint: endpoint } = configuration.serverMetadata();
  if (!isUsable(endpoint, provider)) {
    throw new Error('the metadata name no authorization endpoint that a browser may be sent to');
  }
  return configuration;
}

function isInsecure({ issuer }: ProviderConfig): boolean {
  return new URL(issuer).protocol === 'http:';
}

/** Whether a browser may be sent to an endpoint: by https, or on loopback as its issuer is. */
function isUsable(endpoint: string | undefined, provider: ProviderConfig): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false;
  const url = new URL(endpoint);
  return url.protocol === 'https:' || (isInsecure(provider) && url.protocol === 'http:' && isLoopback(url));
}

/** The error of a request for a provider that is not configured. */
export function unknownProvider(): GatewayError {
  return new GatewayError('NOT_FOUND', 'There is no such identity provider.');
}

function unavailable(name: string, cause: unknown): GatewayError {
  return new GatewayError(
    'SERVICE_UNAVAILABLE',
    `The identity provider "${name}" cannot be reached. Try again shortly.`,
    {
      cause,
      retryAfter,
    },
  );
}
