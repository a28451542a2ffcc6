/** Development only. The development AuthService as a process: `npm run dev:auth`. */
import { runUpstream } from '../run';
import { startAuthService } from './service';

runUpstream({
  name: 'AuthService (development)',
  portVariable: 'DEV_AUTH_PORT',
  defaultPort: 50051,
  async start(port, host) {
    const { env } = process;
    const issuer = env['SSO_DEV_ISSUER'] || `http://localhost:${env['DEV_IDP_PORT'] || 9100}`;
    const service = await startAuthService({
      port,
      host,
      adminToken: env['DEV_ADMIN_TOKEN'] || undefined,
      memberToken: env['DEV_MEMBER_TOKEN'] || undefined,
      providers: { dev: { issuer, clientId: env['SSO_DEV_CLIENT_ID'] || 'api-gateway' } },
    });
    const lines = [
      `DEV_ADMIN_TOKEN=${service.adminToken}`,
      `DEV_MEMBER_TOKEN=${service.memberToken}`,
      `AuthService (development) on ${service.address}`,
    ];
    return { lines, close: service.close };
  },
});
