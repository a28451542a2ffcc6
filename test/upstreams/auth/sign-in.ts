/** Development only. The code exchange at an OpenID Connect provider, as a real AuthService does it. */
import { status } from '@grpc/grpc-js';
import * as oidc from 'openid-client';
import { RpcError, invalidArgument } from '../rpc-error';

/** How long the provider may take for one answer. */
const providerTimeoutSeconds = 5;

/** A provider to exchange codes at. */
export interface Provider {
  /** Where discovery begins. May be http, since this is for development. */
  issuer: string;
  clientId: string;
  /** Unset for a public client. */
  clientSecret?: string;
}

/** What the sign-in began with, and the code that came of it. */
export interface CodeExchange {
  provider: string;
  code: string;
  codeVerifier: string;
  redirectUri: string;
  nonce: string;
}

/** Who the provider says it is. */
export interface Identity {
  email: string;
  emailVerified: boolean;
}

/** Redeems a code; PKCE is checked by the provider, the ID token and its nonce here. */
export type ExchangeCode = (exchange: CodeExchange) => Promise<Identity>;

/** Exchanges codes at these providers. Each is discovered at its first sign-in, and anew where that failed. */
export function createCodeExchange(providers: Readonly<Record<string, Provider>>): ExchangeCode {
  const discovered = new Map<string, Promise<oidc.Configuration>>();
  const discover = (name: string, provider: Provider) => {
    const known = discovered.get(name) ?? startDiscovery(provider);
    discovered.set(name, known);
    known.catch(() => discovered.delete(name));
    return known;
  };
  return async (exchange) => {
    const provider = Object.hasOwn(providers, exchange.provider) ? providers[exchange.provider] : undefined;
    if (!provider) throw invalidArgument({ field: 'provider', description: 'is not a provider known here' });
    const callback = readCallback(exchange);
    const configuration = await discover(exchange.provider, provider).catch((error: unknown) => {
      throw new RpcError(status.UNAVAILABLE, `provider ${exchange.provider} cannot be discovered: ${reason(error)}`);
    });
    return redeem(configuration, callback, exchange).catch((error: unknown) => {
      throw classify(error);
    });
  };
}

function startDiscovery({ issuer, clientId, clientSecret }: Provider): Promise<oidc.Configuration> {
  const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret);
  return oidc.discovery(new URL(issuer), clientId, undefined, authentication, {
    execute: [oidc.allowInsecureRequests],
    timeout: providerTimeoutSeconds,
  });
}

function readCallback({ code, codeVerifier, redirectUri, nonce }: CodeExchange): URL {
  const missing = Object.entries({ code, code_verifier: codeVerifier, nonce }).filter(([, value]) => value === '');
  const violations = missing.map(([field]) => ({ field, description: 'must not be empty' }));
  if (!URL.canParse(redirectUri)) violations.push({ field: 'redirect_uri', description: 'must be an absolute URL' });
  if (violations.length > 0) throw invalidArgument(...violations);
  return new URL(redirectUri);
}

async function redeem(configuration: oidc.Configuration, callback: URL, exchange: CodeExchange): Promise<Identity> {
  callback.searchParams.set('code', exchange.code);
  // The gateway has compared `state` and `iss` (RFC 9207) with what the browser brought before it calls; openid-client
  // wants to see the latter again.
  callback.searchParams.set('iss', configuration.serverMetadata().issuer);
  const tokens = await oidc.authorizationCodeGrant(configuration, callback, {
    pkceCodeVerifier: exchange.codeVerifier,
    expectedNonce: exchange.nonce,
    idTokenExpected: true,
  });
  const idToken = tokens.claims();
  if (!idToken) throw new RpcError(status.UNAUTHENTICATED, 'the provider sent no ID token');
  const claims =
    typeof idToken.email === 'string'
      ? idToken
      : await oidc.fetchUserInfo(configuration, tokens.access_token, idToken.sub);
  if (typeof claims.email !== 'string') {
    throw new RpcError(status.PERMISSION_DENIED, 'the provider does not tell the e-mail address');
  }
  return { email: claims.email, emailVerified: claims.email_verified !== false };
}

/** Tells what the provider refused from what it could not be asked. */
function classify(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof oidc.ResponseBodyError) {
    // invalid_client and the like are about this service and not about who signs in.
    const refused = error.error === 'invalid_grant' || error.error === 'invalid_request';
    const code = refused ? status.UNAUTHENTICATED : status.INTERNAL;
    return new RpcError(code, `the provider refused the code: ${error.error}`);
  }
  if (isUnreachable(error)) return new RpcError(status.UNAVAILABLE, `provider cannot be reached: ${reason(error)}`);
  return new RpcError(status.UNAUTHENTICATED, `the sign-in cannot be verified: ${reason(error)}`);
}

function isUnreachable(error: unknown): boolean {
  // A failed fetch is a TypeError; an answer such as 502 is "not conform", with the response as its cause.
  if (error instanceof TypeError) return true;
  if (!(error instanceof oidc.ClientError)) return false;
  return error.code === 'OAUTH_TIMEOUT' || (error.cause instanceof Response && error.cause.status >= 500);
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message || error.cause.name})` : '';
  return `${error.message}${cause}`;
}
