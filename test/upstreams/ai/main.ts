/** Development only. The development AIService as a process: `npm run dev:ai`. */
import { runUpstream } from '../run';
import { startAiService } from './service';

/** Slow enough to be seen streaming. */
const wordDelayMs = 40;

runUpstream({
  name: 'AIService (development)',
  portVariable: 'DEV_AI_PORT',
  defaultPort: 50052,
  async start(port, host) {
    const { env } = process;
    const authAddress = env['AUTH_SERVICE_ADDR'] || `127.0.0.1:${env['DEV_AUTH_PORT'] || 50051}`;
    const service = await startAiService({ port, host, authAddress, wordDelayMs });
    return { lines: [`AIService (development) on ${service.address}`], close: service.close };
  },
});
