import { escapeHtml } from './html';

/** The bar of a page that says who is signed in, and signs in and out. */
export function sessionBar(providers: readonly string[]): string {
  const links = providers.map((name) => {
    const href = `/api/v1/auth/${encodeURIComponent(name)}/login`;
    return `<a href="${escapeHtml(href)}">Sign in with ${escapeHtml(name)}</a>`;
  });
  return `<header id="session">
<span id="caller" role="status">…</span>
<span id="sign-in" hidden>${links.join('\n')}</span>
<button id="sign-out" type="button" hidden>Sign out</button>
</header>`;
}

export const sessionBarStyle = `
#session, #sign-in { display: flex; flex-wrap: wrap; gap: .25em 1.25em; }
#session { padding: .5em 1em; font: 14px/1.4 system-ui, sans-serif; color: light-dark(#222, #dde3ee); background: light-dark(#eef0f4, #171d29); }
#session a, #session button { font: inherit; color: light-dark(#1a4fc4, #a3bfff); background: none; border: 0; padding: 0; text-decoration: underline; cursor: pointer; }
#session [hidden] { display: none; }
`;

/** Runs in the browser: keeps the bar true. In a block, so that its names are its own. */
export const sessionBarScript = `{
const headers = { 'x-csrf': '1' };
const find = (id) => document.getElementById(id);

/** Asks for something public as well: then nobody being signed in is part of an answer, and not a failed request. */
async function showCaller() {
  const { data, errors = [] } = await fetch('/graphql', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ gateway { name } me { email } }' }),
  })
    .then((response) => response.json())
    .catch(() => ({ errors: [{ message: 'The gateway does not answer.' }] }));
  const failure = errors.find(({ extensions }) => extensions?.code !== 'UNAUTHENTICATED');
  find('caller').textContent = data?.me ? 'Signed in as ' + data.me.email : (failure?.message ?? 'Not signed in');
  find('sign-in').hidden = Boolean(data?.me || failure);
  find('sign-out').hidden = !data?.me;
}

find('sign-in').addEventListener('click', ({ target }) => {
  if (!target.href) return;
  const here = location.pathname + location.hash;
  // Back to what the page shows. A longer address would not fit into the cookies of several sign-ins at a time.
  target.search = new URLSearchParams({ returnTo: here.length <= 1000 ? here : location.pathname });
});
find('sign-out').addEventListener('click', async () => {
  const response = await fetch('/api/v1/auth/logout', { method: 'POST', headers }).catch(() => undefined);
  // 401: it was over already. What is on the page is for the one who has signed out, so it goes.
  if (response?.ok || response?.status === 401) location.reload();
  else find('caller').textContent = 'Signing out failed. Try again.';
});
// It may have become somebody else in another tab.
document.addEventListener('visibilitychange', () => document.hidden || showCaller());
showCaller();
}`;
