/** Development only. The development identity provider as a process: `npm run dev:idp`. */
import { createRpcClient, type RpcClient } from '../rpc-client';
import { runUpstream } from '../run';
import type { Account } from './accounts';
import { startIdentityProvider } from './provider';

/** How long AuthService may take to say whether it knows somebody. */
const lookUpLimitMs = 2_000;

runUpstream({
  name: 'identity provider (development)',
  portVariable: 'DEV_IDP_PORT',
  defaultPort: 9100,
  async start(port, host) {
    const { env } = process;
    const publicUrl = (env['PUBLIC_URL'] || `http://localhost:${env['PORT'] || 3000}`).replace(/\/$/, '');
    const authAddress = env['AUTH_SERVICE_ADDR'] || `127.0.0.1:${env['DEV_AUTH_PORT'] || 50051}`;
    const authService = createRpcClient(authAddress, 'auth/v1/auth.proto', 'auth.v1.AuthService');
    const provider = await startIdentityProvider({
      port,
      listenOn: host,
      issuer: env['SSO_DEV_ISSUER'] || undefined,
      clientId: env['SSO_DEV_CLIENT_ID'] || undefined,
      redirectUris: [`${publicUrl}/api/v1/auth/dev/callback`],
      postLogoutRedirectUris: [`${publicUrl}/`],
      findAccount: (email) => findUser(authService, email),
    });
    const close = async () => {
      authService.close();
      await provider.close();
    };
    return { lines: [`identity provider (development) on ${provider.issuer}`], close };
  },
});

/** Whoever was invited while developing has an account as well, so that the invitation can be tried out. */
async function findUser(authService: RpcClient, email: string): Promise<Account | undefined> {
  const deadline = new Date(Date.now() + lookUpLimitMs);
  try {
    const { users } = await authService.call<FoundUsers>('ListUsers', { search: email }, { deadline });
    const user = users.find((it) => it.email === email);
    return user && { email, name: user.displayName };
  } catch {
    // Without AuthService there is nobody to sign in at anyway.
    return undefined;
  }
}

interface FoundUsers {
  users: { email: string; displayName: string }[];
}
