import type { Reply } from '../http/exchange';
import { escapeHtml } from './html';
import type { PageFiles } from './page-files';
import { sessionBar, sessionBarScript, sessionBarStyle } from './session-bar';

/** The files of {@link sessionBar}, which every page needs beside its own. */
export const barFiles = { 'session-bar.css': sessionBarStyle, 'session-bar.js': sessionBarScript };

export interface PageOptions {
  readonly title: string;
  /** Providers that people may sign in with, by name. */
  readonly providers: readonly string[];
  /** With {@link barFiles} among them. */
  readonly files: PageFiles;
  /** Names of files; where two say something else, the later one counts. */
  readonly styles: readonly string[];
  /** Names of files, in the order in which they run. They find a `main` with the id `root`. */
  readonly scripts: readonly string[];
  /** Directives of the Content-Security-Policy, beside those that every page has. */
  readonly policy: readonly string[];
}

/** Everything that a page loads comes from this host, and nothing that it runs may talk to another. */
const basePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

/** A page for developers, with a bar to sign in and out. Needs no internet. */
export async function pageReply(options: PageOptions): Promise<Reply> {
  const { title, providers, files, styles, scripts, policy } = options;
  const at = await files.locate();
  const links = [...styles, 'session-bar.css'].map((name) => `<link rel="stylesheet" href="${at(name)}">`);
  const scriptTags = [...scripts, 'session-bar.js'].map((name) => `<script src="${at(name)}"></script>`);
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': [...basePolicy, ...policy].join('; '),
      // It names the files of this very version.
      'cache-control': 'no-cache',
    },
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
${links.join('\n')}
</head>
<body>
${sessionBar(providers)}
<main id="root">Loading…</main>
<noscript>This page needs JavaScript.</noscript>
${scriptTags.join('\n')}
</body>
</html>
`,
  };
}
