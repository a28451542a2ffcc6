import type { Exchange, Reply, Route } from '../http/exchange';
import { barFiles, pageReply } from '../pages/page';
import { createPageFiles } from '../pages/page-files';

export interface GraphiqlOptions {
  /** Providers that people may sign in with, by name. */
  readonly providers: readonly string[];
}

const assetsPath = '/graphql/assets';

/** True for a browser that was sent here by its user, without a query to answer. */
export function wantsPage({ headers, query }: Exchange): boolean {
  return /text\/html/i.test(headers.accept ?? '') && !new URLSearchParams(query).has('query');
}

const policy = [
  // Monaco and GraphiQL style themselves.
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "worker-src 'self'",
];

/**
 * GraphiQL, with a bar to sign in and out. Needs no internet. Its address holds the query, so that it can be passed on: in
 * the fragment, which is of any length and which no server sees.
 */
export async function graphiqlPage({ providers }: GraphiqlOptions): Promise<Reply> {
  const page = await pageReply({
    title: 'GraphiQL · api-gateway',
    providers,
    files,
    styles: ['graphiql.css', 'page.css'],
    scripts: ['graphiql.js', 'start.js'],
    policy,
  });
  return { ...page, headers: { ...page.headers, vary: 'accept' } };
}

const pageStyle = `
:root { color-scheme: light dark; }
/* GraphiQL's settings choose a theme by these. */
body.graphiql-light { color-scheme: light; }
body.graphiql-dark { color-scheme: dark; }
body { margin: 0; display: flex; flex-direction: column; height: 100vh; background: light-dark(#fff, #212a3b); }
#root { flex: 1; min-height: 0; font: 14px system-ui, sans-serif; }
/* All that the bar leaves, where GraphiQL would take the whole window. */
#root .graphiql-container { width: 100%; height: 100%; }
`;

/** Runs in the browser: starts GraphiQL. */
const startScript = `
const version = new URL(document.currentScript.src).search;
self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl: (_, label) =>
    '${assetsPath}/' + (['json', 'graphql'].includes(label) ? label : 'editor') + '.worker.js' + version,
};

YogaGraphiQL.renderYogaGraphiQL(document.getElementById('root'), {
  title: 'GraphiQL · api-gateway',
  endpoint: '/graphql',
  credentials: 'same-origin',
  additionalHeaders: { 'x-csrf': '1' },
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

// Another query was put into the address by hand.
window.addEventListener('hashchange', () => location.reload());
`;

/** Some 9 MB. */
const files = createPageFiles(assetsPath, async () => {
  const bundle = await import('@graphql-yoga/render-graphiql/graphiql');
  return {
    ...barFiles,
    'graphiql.js': bundle.js,
    'start.js': startScript,
    'editor.worker.js': bundle.editorWorkerService,
    'json.worker.js': bundle.jsonWorker,
    'graphql.worker.js': bundle.graphqlWorker,
    'graphiql.css': bundle.css,
    'page.css': pageStyle,
  };
});

/** The page's scripts and styles. */
export const graphiqlAssets: Route = files.route;
