import { status } from '@grpc/grpc-js';
import type { BrowserContext, Page } from 'playwright-core';
import { describeInChromium, useVisitors } from './browser-fixture';

jest.setTimeout(90_000);

describeInChromium('in a browser', () => {
  const visitors = useVisitors();

  async function openGraphiql(context: BrowserContext, query?: string): Promise<Page> {
    const page = await context.newPage();
    const fragment = query === undefined ? '' : `#query=${encodeURIComponent(query)}`;
    await page.goto(`${visitors.signIn.url}/graphql${fragment}`);
    return page;
  }

  test('GraphiQL loads from this host alone and knows the schema', async () => {
    const page = await openGraphiql(await visitors.open());
    await page.getByText('Not signed in').waitFor();
    await write(page, 'query { gat');
    await page.keyboard.press('ControlOrMeta+Space');
    await page.getByRole('option', { name: 'gateway' }).waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.insertText(' { name } }');
    await execute(page);
    await response(page).getByText('"api-gateway"').waitFor();
  });

  test('signing in at the provider comes back to the same query, which then answers as that user', async () => {
    const context = await visitors.open();
    const page = await openGraphiql(context);
    await write(page, 'query { me { email displayName } }');
    await page.waitForURL(/#query=/);
    await page.getByRole('link', { name: 'Sign in with dev' }).click();

    await page.waitForURL(`${visitors.signIn.provider.issuer}/**`);
    await page.getByRole('link', { name: 'Mel Member' }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();

    await page.waitForURL(`${visitors.signIn.url}/**`);
    await page.getByText('Signed in as mel.member@example.com').waitFor();
    await execute(page);
    await response(page).getByText('"mel.member@example.com"').waitFor();
    await response(page).getByText('"Mel Member"').waitFor();

    const session = (await context.cookies(visitors.signIn.url)).find(({ name }) => name === 'session');
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/' });
    expect(await page.evaluate('document.cookie')).not.toContain('session');
  });

  test('a subscription shows its events as they come, and stops upstream when it is stopped', async () => {
    const { control } = visitors.signIn.world.ai;
    control.setFault({ method: 'StreamQuery', failAfter: 3, hang: true, times: 1 });
    const ask = 'subscription { askStream(input: { query: "count to 5" }) { textDelta answer { response } } }';
    const page = await openGraphiql(await visitors.open('user-mel'), ask);
    await page.getByText('Signed in as').waitFor();

    await execute(page);
    await response(page).getByText('"3 "').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await control.waitForCall('StreamQuery', ({ cancelled }) => cancelled);

    await execute(page);
    await response(page).getByText('"1 2 3 4 5"').waitFor();
  });

  test('signing out ends the session and takes what it showed off the page', async () => {
    const context = await visitors.open('user-ada');
    const page = await openGraphiql(context, '{ me { email } }');
    await page.getByText('Signed in as ada.admin@example.com').waitFor();
    await execute(page);
    await response(page).getByText('"ada.admin@example.com"').waitFor();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Not signed in').waitFor();
    await page.getByRole('link', { name: 'Sign in with dev' }).waitFor();
    expect(await page.getByText('ada.admin@example.com').count()).toBe(0);
    expect(await context.cookies(visitors.signIn.url)).toEqual([]);
    expect(visitors.signIn.world.auth.control.calls('RevokeSession')).toHaveLength(1);
  });

  test('while sessions cannot be checked the bar says so, and nobody is signed out', async () => {
    const { control } = visitors.signIn.world.auth;
    control.setFault({ method: 'ValidateSession', code: status.UNAVAILABLE });
    const page = await openGraphiql(await visitors.open('user-mel'));
    await page.getByText('Your session cannot be checked right now.').waitFor();
    control.clearFaults();
    await lookAgain(page);
    await page.getByText('Signed in as mel.member@example.com').waitFor();
  });

  test('two tabs sign in side by side, and the later one counts for both', async () => {
    const context = await visitors.open();
    const [first, second] = [await openGraphiql(context), await openGraphiql(context)];
    for (const page of [first, second]) {
      await page.getByRole('link', { name: 'Sign in with dev' }).click();
      await page.waitForURL(`${visitors.signIn.provider.issuer}/**`);
    }
    await submitSignIn(first, 'ada.admin@example.com');
    await first.getByText('Signed in as ada.admin@example.com').waitFor();
    await submitSignIn(second, 'mel.member@example.com');
    await second.getByText('Signed in as mel.member@example.com').waitFor();

    await lookAgain(first);
    await first.getByText('Signed in as mel.member@example.com').waitFor();
  });

  test('who is not a user of the platform is told so, and can go back', async () => {
    const page = await openGraphiql(await visitors.open());
    await page.getByRole('link', { name: 'Sign in with dev' }).click();
    await submitSignIn(page, 'sam.stranger@example.com');
    await page.getByRole('heading', { name: 'Sign-in did not work' }).waitFor();
    await page.getByRole('link', { name: 'Go back' }).click();
    await page.getByText('Not signed in').waitFor();
    // The failure page's own status, as the console reports it.
    expect(visitors.troubles.splice(0)).toEqual([expect.stringContaining('status of 403')]);
  });
});

async function submitSignIn(page: Page, email: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Turns back to a tab. Pages that nobody looks at do not know it, so they are told what a window would tell them. */
async function lookAgain(page: Page): Promise<void> {
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
}

/** Puts a text into the query editor, in place of what is there. */
async function write(page: Page, text: string): Promise<void> {
  await page.locator('.graphiql-query-editor .monaco-editor').click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.insertText(text);
}

async function execute(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Execute query' }).click();
}

const response = (page: Page) => page.locator('.graphiql-response');
