import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { GatewayError } from '../errors';
import type { Exchange, Reply, Route } from '../http/exchange';

export interface GraphiqlOptions {
  /** Providers that people may sign in with, by name. */
  readonly providers: readonly string[];
}

const assetsPath = '/graphql/assets';

/** True for a browser that was sent here by its user, without a query to answer. */
export function wantsPage({ headers, query }: Exchange): boolean {
  return /text\/html/i.test(headers.accept ?? '') && !new URLSearchParams(query).has('query');
}

/** Everything that the page loads comes from this host, and nothing that it runs may talk to another. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  // Monaco and GraphiQL style themselves.
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Workers live by the policy that they came with and not by the page's; they only talk to the page. */
const assetPolicy = "default-src 'none'";

/**
 * GraphiQL, with a bar to sign in and out. Needs no internet. Its address holds the query, so that it can be passed on: in
 * the fragment, which is of any length and which no server sees.
 */
export async function graphiqlPage({ providers }: GraphiqlOptions): Promise<Reply> {
  const { version } = await loadAssets();
  const links = providers.map((name) => {
    const href = `/api/v1/auth/${encodeURIComponent(name)}/login?returnTo=/graphql`;
    return `<a href="${escapeHtml(href)}">Sign in with ${escapeHtml(name)}</a>`;
  });
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': pagePolicy,
      vary: 'accept',
    },
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>GraphiQL · api-gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assetsPath}/graphiql.css?${version}">
<link rel="stylesheet" href="${assetsPath}/page.css?${version}">
</head>
<body>
<header id="session">
<span id="caller" role="status">…</span>
<span id="sign-in" hidden>${links.join('\n')}</span>
<button id="sign-out" type="button" hidden>Sign out</button>
</header>
<main id="root">Loading…</main>
<noscript>GraphiQL needs JavaScript.</noscript>
<script src="${assetsPath}/graphiql.js?${version}"></script>
<script src="${assetsPath}/start.js?${version}"></script>
</body>
</html>
`,
  };
}

const pageStyle = `
:root { color-scheme: light dark; }
/* GraphiQL's settings choose a theme by these. */
body.graphiql-light { color-scheme: light; }
body.graphiql-dark { color-scheme: dark; }
body { margin: 0; display: flex; flex-direction: column; height: 100vh; background: light-dark(#fff, #212a3b); }
#session, #sign-in { display: flex; flex-wrap: wrap; gap: .25em 1.25em; }
#session { padding: .5em 1em; font: 14px/1.4 system-ui, sans-serif; color: light-dark(#222, #dde3ee); background: light-dark(#eef0f4, #171d29); }
#session a, #session button { font: inherit; color: light-dark(#1a4fc4, #a3bfff); background: none; border: 0; padding: 0; text-decoration: underline; cursor: pointer; }
#session [hidden] { display: none; }
#root { flex: 1; min-height: 0; font: 14px system-ui, sans-serif; }
/* All that the bar leaves, where GraphiQL would take the whole window. */
#root .graphiql-container { width: 100%; height: 100%; }
`;

/** Runs in the browser: starts GraphiQL and keeps the bar true. */
const startScript = `
const version = new URL(document.currentScript.src).search;
self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl: (_, label) =>
    '${assetsPath}/' + (['json', 'graphql'].includes(label) ? label : 'editor') + '.worker.js' + version,
};
const headers = { 'x-csrf': '1' };
const find = (id) => document.getElementById(id);

YogaGraphiQL.renderYogaGraphiQL(find('root'), {
  title: 'GraphiQL · api-gateway',
  endpoint: '/graphql',
  credentials: 'same-origin',
  additionalHeaders: headers,
  subscriptionsProtocol: 'GRAPHQL_SSE',
  // Subscriptions would go by GET.
  method: 'POST',
  // Without a query GraphiQL opens an empty tab beside those that it remembers.
  query:
    new URLSearchParams(location.hash.slice(1)).get('query') ??
    localStorage.getItem('graphiql:query') ??
    '# Sign in above, then run this.\\n{\\n  me {\\n    id\\n    email\\n    displayName\\n  }\\n}\\n',
  onEditQuery: (query) => history.replaceState(null, '', '#' + new URLSearchParams({ query })),
  // Only where its settings say so: there may be a token among them.
  shouldPersistHeaders: undefined,
});

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
  const here = location.pathname + location.hash;
  // Back to this very query. A longer address would not fit into the cookies of several sign-ins at a time.
  if (target.search && here.length <= 1000) target.search = new URLSearchParams({ returnTo: here });
});
find('sign-out').addEventListener('click', async () => {
  const response = await fetch('/api/v1/auth/logout', { method: 'POST', headers }).catch(() => undefined);
  // 401: it was over already. What is on the page is for the one who has signed out, so it goes.
  if (response?.ok || response?.status === 401) location.reload();
  else find('caller').textContent = 'Signing out failed. Try again.';
});
// It may have become somebody else in another tab.
document.addEventListener('visibilitychange', () => document.hidden || showCaller());
// Another query was put into the address by hand.
window.addEventListener('hashchange', () => location.reload());
showCaller();
`;

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
}

interface Assets {
  /** Changes when any of the files does. */
  readonly version: string;
  readonly files: ReadonlyMap<string, Asset>;
}

let assets: Promise<Assets> | undefined;

/** Some 9 MB, so they are read when the first page is asked for. */
function loadAssets(): Promise<Assets> {
  assets ??= import('@graphql-yoga/render-graphiql/graphiql').then(async (bundle) => {
    const texts = {
      'graphiql.js': bundle.js,
      'start.js': startScript,
      'editor.worker.js': bundle.editorWorkerService,
      'json.worker.js': bundle.jsonWorker,
      'graphql.worker.js': bundle.graphqlWorker,
      'graphiql.css': bundle.css,
      'page.css': pageStyle,
    };
    const files = new Map<string, Asset>();
    const hash = createHash('sha256');
    for (const [name, text] of Object.entries(texts)) {
      const body = Buffer.from(text);
      hash.update(body);
      const type = name.endsWith('.css') ? 'text/css' : 'text/javascript';
      files.set(name, { type: `${type}; charset=utf-8`, body, gzipped: await promisify(gzip)(body) });
    }
    return { version: hash.digest('hex').slice(0, 12), files };
  });
  return assets;
}

/** The page's scripts and styles. */
export const graphiqlAssets: Route = {
  method: 'GET',
  path: `${assetsPath}/{file}`,
  handle: async ({ headers, query }, { file = '' }) => {
    const { version, files } = await loadAssets();
    const asset = files.get(file);
    if (!asset) throw new GatewayError('NOT_FOUND', 'There is nothing at this path.');
    const zips = acceptsGzip(headers['accept-encoding']);
    return {
      status: 200,
      headers: {
        'content-type': asset.type,
        'content-security-policy': assetPolicy,
        // Another version is asked for by a page that is older or newer than this process.
        'cache-control': query === version ? 'public, max-age=31536000, immutable' : 'no-cache',
        vary: 'accept-encoding',
        ...(zips ? { 'content-encoding': 'gzip' } : {}),
      },
      body: zips ? asset.gzipped : asset.body,
    };
  },
};

/** RFC 9110 section 12.5.3, as far as clients make use of it. */
function acceptsGzip(acceptEncoding = ''): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(acceptEncoding);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
