import type { RequestListener } from 'node:http';
import type { Registry } from 'prom-client';

/**
 * Answers on the admin listener: `/metrics`, `/livez`, `/readyz`, `/startupz`. An upstream that is down does not make the
 * gateway unready: every replica would leave the load balancer at once, though public fields still answer.
 *
 * @param ready - True while new requests are welcome. It listens only once everything has started.
 */
export function createAdminHandler(registry: Registry, ready: () => boolean): RequestListener {
  const checks: Record<string, () => boolean> = {
    '/livez': () => true,
    '/startupz': () => true,
    '/readyz': ready,
  };
  let rendering: Promise<string> | undefined;
  /** Scrapes at the same time share one rendering. */
  function scrape(): Promise<string> {
    rendering ??= registry.metrics().finally(() => (rendering = undefined));
    return rendering;
  }

  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const say = (status: number, text: string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      say(405, 'method not allowed\n', { allow: 'GET, HEAD' });
    } else if (path === '/metrics') {
      scrape().then(
        (text) => say(200, text, { 'content-type': registry.contentType }),
        (error: unknown) => say(500, `${String(error)}\n`),
      );
    } else {
      const check = Object.hasOwn(checks, path) ? checks[path] : undefined;
      if (!check) say(404, 'there are /metrics, /livez, /readyz and /startupz\n');
      else if (check()) say(200, 'ok\n');
      else say(503, 'not ready\n');
    }
  };
}
