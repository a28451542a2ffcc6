import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Route } from '../../http/exchange';
import { barFiles, pageReply } from '../../pages/page';
import { createPageFiles } from '../../pages/page-files';
import { openApiPath } from './route';

export const docsPath = '/api/docs';

/**
 * The page to read the OpenAPI document and to try the routes: Swagger UI.
 *
 * @param providers - Providers that people may sign in with, by name.
 */
export function createDocsRoutes(providers: readonly string[]): Route[] {
  const page: Route = {
    method: 'GET',
    path: docsPath,
    handle: () =>
      pageReply({
        title: 'REST · api-gateway',
        providers,
        files,
        styles: ['swagger-ui.css', 'page.css'],
        scripts: ['swagger-ui.js', 'start.js'],
        policy: ["style-src 'self'"],
      }),
  };
  return [page, files.route];
}

const pageStyle = `
:root { color-scheme: light; }
body { margin: 0; background: #fff; }
`;

/**
 * Runs in the browser: starts Swagger UI. Requests go to the host of the page, whatever PUBLIC_URL says: the page's policy allows no
 * other.
 */
const startScript = `
fetch('${openApiPath}')
  .then((response) => response.json())
  .then((openApi) =>
    SwaggerUIBundle({
      spec: { ...openApi, servers: [{ url: location.origin }] },
      domNode: document.getElementById('root'),
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      // It would send the document to a host that checks it.
      validatorUrl: null,
      requestInterceptor(request) {
        // A bearer token that was entered counts in place of the cookie: with both, a request is refused.
        if (request.headers.Authorization) request.credentials = 'omit';
        else request.headers['x-csrf'] = '1';
        return request;
      },
    }),
  );
`;

/** Some 2 MB. The package's documentation names this folder for those who copy the files. */
const files = createPageFiles(`${docsPath}/assets`, async () => {
  const folder = join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
  const [script, style] = await Promise.all(
    ['swagger-ui-bundle.js', 'swagger-ui.css'].map((name) => readFile(join(folder, name), 'utf8')),
  );
  return {
    ...barFiles,
    'swagger-ui.js': script!,
    'start.js': startScript,
    'swagger-ui.css': style!,
    'page.css': pageStyle,
  };
});

/** Templates of the paths that the page answers. */
export const docsPaths: readonly string[] = [docsPath, files.route.path];
