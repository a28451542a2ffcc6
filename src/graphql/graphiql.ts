import { createHash } from 'node:crypto';
import type { Exchange, Reply, Route } from '../exchange';

export interface GraphiqlOptions {
  /** Providers that people may sign in with, by name. */
  readonly providers: readonly string[];
}

const assetsPath = '/graphql/assets';

/** True for a browser that was sent here by its user. */
export function wantsPage({ headers, query }: Exchange): boolean {
  return /text\/html/i.test(headers.accept ?? '') && !new URLSearchParams(query).has('query');
}

/** Everything that the page loads comes from this host, and nothing that it runs may talk to another. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  // Monaco and GraphiQL style themselves.
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** GraphiQL, with a bar to sign in and out. Needs no internet. */
export async function graphiqlPage({ providers }: GraphiqlOptions): Promise<Reply> {
  const { version } = await loadAssets();
  const links = providers
    .map(
      (name) =>
        `<a href="/api/v1/auth/${encodeURIComponent(name)}/login?returnTo=/graphql">Sign in with ${escapeHtml(name)}</a>`,
    )
    .join(' ');
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentSecurityPolicy,
      vary: 'accept',
    },
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>GraphiQL · api-gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assetsPath}/graphiql.css?${version}">
<style>
body { margin: 0; display: flex; flex-direction: column; height: 100vh; }
#session { display: flex; gap: 1em; align-items: center; padding: .4em 1em; font: 14px system-ui, sans-serif; background: #f3f4f7; color: #222; }
#session a, #session button { color: #1a56db; background: none; border: 0; padding: 0; font: inherit; cursor: pointer; }
#root { flex: 1; min-height: 0; }
</style>
</head>
<body>
<div id="session"><span id="caller">…</span>${links}<button id="sign-out" type="button" hidden>Sign out</button></div>
<div id="root">Loading…</div>
<script src="${assetsPath}/graphiql.js?${version}"></script>
<script src="${assetsPath}/start.js?${version}"></script>
</body>
</html>
`,
  };
}

/** Runs in the browser: starts GraphiQL and keeps the bar true. */
const startScript = `
self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl: (_, label) => '${assetsPath}/' + (['json', 'graphql'].includes(label) ? label : 'editor') + '.worker.js',
};
const headers = { 'x-csrf': '1' };
YogaGraphiQL.renderYogaGraphiQL(document.getElementById('root'), {
  title: 'GraphiQL · api-gateway',
  endpoint: '/graphql',
  credentials: 'same-origin',
  additionalHeaders: headers,
  subscriptionsProtocol: 'GRAPHQL_SSE',
  defaultQuery: '# Sign in above, then run this.\\n{\\n  me {\\n    id\\n    email\\n    displayName\\n  }\\n}\\n',
});
const caller = document.getElementById('caller');
const signOut = document.getElementById('sign-out');
fetch('/graphql', {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ me { email } }' }),
})
  .then((response) => response.json())
  .then(({ data }) => {
    caller.textContent = data?.me ? 'Signed in as ' + data.me.email : 'Not signed in';
    signOut.hidden = !data?.me;
  })
  .catch(() => (caller.textContent = 'The gateway does not answer'));
signOut.addEventListener('click', () =>
  fetch('/api/v1/auth/logout', { method: 'POST', headers }).then(() => location.reload()),
);
`;

interface Assets {
  /** Changes when any of the files does. */
  readonly version: string;
  readonly files: ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>;
}

let assets: Promise<Assets> | undefined;

/** Some 9 MB, so they are read when the first page is asked for. */
function loadAssets(): Promise<Assets> {
  assets ??= import('@graphql-yoga/render-graphiql/graphiql').then((bundle) => {
    const script = (text: string) => ({ type: 'text/javascript; charset=utf-8', body: Buffer.from(text) });
    const files = new Map([
      ['graphiql.js', script(bundle.js)],
      ['start.js', script(startScript)],
      ['editor.worker.js', script(bundle.editorWorkerService)],
      ['json.worker.js', script(bundle.jsonWorker)],
      ['graphql.worker.js', script(bundle.graphqlWorker)],
      ['graphiql.css', { type: 'text/css; charset=utf-8', body: Buffer.from(bundle.css) }],
    ]);
    const hash = createHash('sha256');
    for (const { body } of files.values()) hash.update(body);
    return { version: hash.digest('hex').slice(0, 12), files };
  });
  return assets;
}

/** The page's scripts and styles. */
export const graphiqlAssets: Route = {
  method: 'GET',
  path: `${assetsPath}/{file}`,
  handle: async (_exchange, { file = '' }) => {
    const asset = (await loadAssets()).files.get(file);
    if (!asset) return { status: 404 };
    return {
      status: 200,
      // The page asks for them by version; workers are asked for without, so they are asked about again each time.
      headers: { 'content-type': asset.type, 'cache-control': 'public, max-age=300' },
      body: asset.body,
    };
  },
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
