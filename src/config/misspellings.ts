import { editDistance } from '../diagnostics/did-you-mean';
import type { EnvironmentReader } from './environment-reader';
import { variables } from './variables';

/**
 * Hints at variables that are probably misspelled ones of the gateway. Leaves out those that Kubernetes sets for its Services
 * (AUTH_SERVICE_PORT, AUTH_SERVICE_PORT_50051_TCP_ADDR).
 */
export function misspellings({ env, known, refused }: EnvironmentReader, upstreamNames: readonly string[]): string[] {
  const unsetNames = [...known].filter((name) => !env[name] && name.length >= 6);
  return Object.keys(env)
    .sort()
    .flatMap((name) => {
      const value = env[name];
      if (!value || known.has(name) || name.length < 6 || isServiceLink(name, value)) return [];
      const near = nearest(name.toUpperCase(), unsetNames);
      if (near !== undefined) return [`${name} looks like ${near}`];
      // Without any upstream the schema could not be read, which is reported elsewhere.
      if (/^\w+_SERVICE_ADDR$/.test(name) && upstreamNames.length > 0) {
        return [`${name} is the address of no upstream of the schema (it has: ${upstreamNames.join(', ')})`];
      }
      const ofProvider =
        /^SSO_\w+_(ISSUER|CLIENT_ID|SCOPES|LOGOUT)$/.test(name) && !refused.has(variables.providers.name);
      return ofProvider ? [`${name} is of no provider in SSO_PROVIDERS`] : [];
    });
}

function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_\w+)?$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(name) ||
    /^(tcp|udp|sctp):\/\//.test(value)
  );
}

/** The nearest of the candidates, two edits away at most. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const edits = editDistance(name, candidate);
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}
