import type { Locator, Page } from 'playwright-core';
import { describeInChromium, useVisitors } from './browser-fixture';

jest.setTimeout(90_000);

describeInChromium('the page of the REST routes, in a browser', () => {
  const visitors = useVisitors();

  /** Somebody with a browser of their own, signed in where a user is named. */
  async function openDocs(userId?: string): Promise<Page> {
    const page = await (await visitors.open(userId)).newPage();
    await page.goto(`${visitors.signIn.url}/api/docs`);
    return page;
  }

  /** An operation, opened. */
  async function open(page: Page, method: string, path: string): Promise<Locator> {
    const operation = page
      .locator('.opblock')
      .filter({ has: page.locator('.opblock-summary-method', { hasText: new RegExp(`^${method}$`) }) })
      .filter({ has: page.locator(`[data-path="${path}"]`) });
    await operation.locator('.opblock-summary-control').click();
    return operation;
  }

  /** Runs an operation, and gives back what it was answered with. */
  async function execute(operation: Locator): Promise<{ readonly status: string; readonly body: string }> {
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table .response');
    const status = await answer.locator('.response-col_status').innerText();
    return { status: status.trim().slice(0, 3), body: await answer.locator('.highlight-code').first().innerText() };
  }

  test('lists every route', async () => {
    const page = await openDocs();
    await page.locator('.opblock').first().waitFor();
    const listed = await page.locator('.opblock').evaluateAll((blocks) =>
      blocks.map((block) => {
        const method = block.querySelector('.opblock-summary-method')?.textContent ?? '';
        return `${method} ${block.querySelector('[data-path]')?.getAttribute('data-path') ?? ''}`;
      }),
    );
    const { paths } = (await fetch(`${visitors.signIn.url}/api/openapi.json`).then((response) => response.json())) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.length).toBeGreaterThan(5);
    expect(listed.toSorted()).toEqual(routes.toSorted());
  });

  test('who is signed in tries a route with the session', async () => {
    const page = await openDocs('user-mel');
    await page.getByText('Signed in as mel.member@example.com').waitFor();
    const me = await open(page, 'GET', '/api/v1/users/me');
    const { status, body } = await execute(me);
    expect(status).toBe('200');
    expect(body).toContain('"mel.member@example.com"');
  });

  test('a route that changes something is let in with the session too', async () => {
    const page = await openDocs('user-mel');
    const me = await open(page, 'PATCH', '/api/v1/users/me');
    await me.locator('textarea').fill('{"displayName":"Mel by hand"}');
    const { status, body } = await execute(me);
    expect(status).toBe('200');
    expect(body).toContain('"Mel by hand"');
  });

  test('a bearer token that was entered counts in place of the session', async () => {
    const page = await openDocs('user-mel');
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const dialog = page.locator('.auth-container').filter({ hasText: 'bearer' });
    await dialog.locator('input').fill(visitors.signIn.world.auth.adminToken);
    await dialog.getByRole('button', { name: 'Apply credentials' }).click();
    await page.getByRole('button', { name: 'Close' }).first().click();
    const me = await open(page, 'GET', '/api/v1/users/me');
    const { status, body } = await execute(me);
    expect(status).toBe('200');
    expect(body).toContain('"ada.admin@example.com"');
  });

  test('who is not signed in does so from there, and comes back', async () => {
    const page = await openDocs();
    await page.getByRole('link', { name: 'Sign in with dev' }).click();
    await page.waitForURL(`${visitors.signIn.provider.issuer}/**`);
    await page.getByLabel('E-mail address').fill('mel.member@example.com');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${visitors.signIn.url}/api/docs`);
    await page.getByText('Signed in as mel.member@example.com').waitFor();
  });
});
