/** Development only. Signs in at the development identity provider the way a browser does, without one. */

const maxRedirects = 10;

/** Fetch with cookies. They are kept per origin and path, and nothing is followed. */
export class Browser {
  readonly #cookies = new Map<string, { origin: string; path: string; pair: string }>();

  /** One request, with the cookies that belong to its address. */
  async fetch(url: URL, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const cookies = [...this.#cookies.values()].filter(
      ({ origin, path }) => origin === url.origin && url.pathname.startsWith(path),
    );
    if (cookies.length > 0) headers.set('cookie', cookies.map(({ pair }) => pair).join('; '));
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(line, url.origin);
    return response;
  }

  /** Whether it holds a cookie of this name, whatever it is for. */
  has(name: string): boolean {
    return [...this.#cookies.values()].some(({ pair }) => pair.startsWith(`${name}=`));
  }

  #keep(line: string, origin: string): void {
    const [pair = '', ...attributes] = line.split(/;\s*/);
    const path = attributes.find((it) => /^path=/i.test(it))?.slice('path='.length) ?? '/';
    const key = `${origin} ${path} ${pair.split('=')[0]}`;
    const expires = attributes.find((it) => /^expires=/i.test(it))?.slice('expires='.length);
    const gone = pair.endsWith('=') || (expires !== undefined && Date.parse(expires) <= Date.now());
    if (gone) this.#cookies.delete(key);
    else this.#cookies.set(key, { origin, path, pair });
  }
}

/** Follows redirects within the provider up to a page or to an address elsewhere. */
async function follow(browser: Browser, start: URL, init?: RequestInit): Promise<{ url: URL; response?: Response }> {
  let url = start;
  for (let step = 0; step < maxRedirects; step += 1) {
    if (url.origin !== start.origin) return { url };
    const response = await browser.fetch(url, step === 0 ? init : {});
    const location = response.headers.get('location');
    if (location === null) return { url, response };
    url = new URL(location, url);
  }
  throw new Error(`more than ${maxRedirects} redirects from ${start.href}`);
}

/** Opens an authorization URL up to the sign-in page, and gives the page and its address. */
export async function openSignInPage(browser: Browser, authorizationUrl: URL): Promise<{ url: URL; html: string }> {
  const { url, response } = await follow(browser, authorizationUrl);
  const html = (await response?.text()) ?? '';
  if (!response?.ok) throw new Error(`no sign-in page at ${url.href}: ${response?.status} ${html}`);
  return { url, html };
}

/** Fills in the sign-in page and presses the button. */
export async function submitSignInPage(browser: Browser, pageUrl: URL, login: string): Promise<Response> {
  return browser.fetch(pageUrl, { method: 'POST', body: new URLSearchParams({ login }) });
}

/**
 * Signs in from beginning to end. Gives the address that the provider sends the browser back to: the callback, with
 * `code`, `state` and `iss`, or with `error`. It is not opened.
 */
export async function signInAt(authorizationUrl: URL, login: string, browser = new Browser()): Promise<URL> {
  const page = await openSignInPage(browser, authorizationUrl);
  const submitted = await submitSignInPage(browser, page.url, login);
  const location = submitted.headers.get('location');
  if (location === null) throw new Error(`sign-in as ${login} was refused: ${submitted.status}`);
  const { url } = await follow(browser, new URL(location, page.url));
  return url;
}

/** Opens the address of a sign-out and presses the button. Gives the address that the provider sends the browser back to. */
export async function signOutAt(browser: Browser, endSessionUrl: URL): Promise<URL> {
  const response = await browser.fetch(endSessionUrl);
  const html = await response.text();
  const action = /<form[^>]* action="([^"]+)"/.exec(html)?.[1];
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)?.[1];
  if (action === undefined || xsrf === undefined) throw new Error(`no sign-out page: ${response.status} ${html}`);
  const body = new URLSearchParams({ xsrf, logout: 'yes' });
  const { url } = await follow(browser, new URL(action, endSessionUrl), { method: 'POST', body });
  return url;
}
