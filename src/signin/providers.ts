import type { Configuration } from 'openid-client';
import type { ProviderConfig } from '../config/config';
import { isLoopback } from '../config/values';
import { GatewayError } from '../errors';
import type { CallScope } from '../grpc/upstream';
import { waitFor } from '../session/wait-for';

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
  has(name: string): boolean;
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
}

export interface ProvidersOptions {
  readonly providers: readonly ProviderConfig[];
  /** Where the gateway is reached, without a path. */
  readonly publicUrl: string;
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
export function createProviders({ providers, publicUrl }: ProvidersOptions): Providers {
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

  return {
    has: (name) => known.has(name),
    redirectUri,

    async authorize(name, { state, nonce, codeVerifier }, scope) {
      const provider = known.get(name);
      if (!provider) throw new GatewayError('NOT_FOUND', 'There is no such identity provider.');
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
  };
}

/** Plain http is allowed where the issuer has it: the configuration accepts that only on loopback, outside production. */
async function discover({ issuer, clientId }: ProviderConfig): Promise<Configuration> {
  const { allowInsecureRequests, discovery, None } = await loadClient();
  const insecure = new URL(issuer).protocol === 'http:';
  // The gateway only sends browsers there; the client secret is AuthService's, which redeems the code.
  const configuration = await discovery(new URL(issuer), clientId, undefined, None(), {
    timeout: discoveryTimeout,
    ...(insecure ? { execute: [allowInsecureRequests] } : {}),
  });
  const { authorization_endpoint: endpoint } = configuration.serverMetadata();
  const usable = endpoint !== undefined && URL.canParse(endpoint) && isTrusted(new URL(endpoint), insecure);
  if (!usable) throw new Error('the metadata name no authorization endpoint that a browser may be sent to');
  return configuration;
}

function isTrusted(url: URL, insecure: boolean): boolean {
  return url.protocol === 'https:' || (insecure && url.protocol === 'http:' && isLoopback(url));
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
