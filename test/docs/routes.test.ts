import { readFileSync } from 'node:fs';
import { startWorld } from '../gateway-fixture';

/** What the README's table says, as `METHOD path`, of one of the listeners. */
function documented(isAdmin: boolean): string[] {
  const [, table = ''] = /## What answers where\n(.*?)\n## /s.exec(readFileSync('README.md', 'utf8')) ?? [];
  const cells = [...table.matchAll(/^\| (.+?) +\| .+ \|$/gm)].map(([, cell = '']) => cell);
  return cells
    .filter((cell) => cell.startsWith('admin listener:') === isAdmin)
    .flatMap((cell) => [...cell.matchAll(/((?:[A-Z]+, )*[A-Z]+) `([^`]+)`/g)])
    .flatMap(([, methods = '', path = '']) => methods.split(', ').map((method) => `${method} ${path}`));
}

test('the table of what answers where has every route that the gateway mounts, with its methods, and no other', async () => {
  const world = await startWorld({
    env: {
      SSO_PROVIDERS: 'dev',
      SSO_DEV_ISSUER: 'http://127.0.0.1:9',
      SSO_DEV_CLIENT_ID: 'gateway',
    },
  });
  try {
    // The series of each route are there from the start, with the statuses of its success.
    const series = /^http_requests_total\{method="(\w+)",path="(\/[^"]*)",status="[23]\d\d"\}/gm;
    const mounted = [...(await world.metrics()).matchAll(series)]
      .map(([, method = '', path = '']) => ({ method, path }))
      .filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS');
    const routes = [...new Set(mounted.map(({ method, path }) => `${method} ${path}`))];
    expect(routes.length).toBeGreaterThan(15);
    expect(documented(false).toSorted()).toEqual(routes.toSorted());

    for (const route of documented(true)) {
      const [method, path] = route.split(' ');
      const response = await fetch(`${world.adminUrl}${path}`, { method: method! });
      await response.text();
      expect([route, response.status]).toEqual([route, 200]);
      expect([route, (await world.rest(method!, path!, { token: null })).status]).toEqual([route, 404]);
    }
    // In which order Allow has them does not matter.
    for (const path of new Set(mounted.map((each) => each.path))) {
      const methods = mounted.filter((each) => each.path === path).map(({ method }) => method);
      const { headers } = await world.rest('OPTIONS', path.replace(/\{\w+\}/g, 'x'), { token: null });
      const allowed = headers
        .get('allow')
        ?.split(', ')
        .filter((method) => !['HEAD', 'OPTIONS'].includes(method));
      expect([path, allowed]).toEqual([path, expect.arrayContaining([...new Set(methods)])]);
    }
  } finally {
    await world.close();
  }
});
