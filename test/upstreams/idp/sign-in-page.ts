/** Development only. The pages of the development identity provider: plain HTML, no script, nothing from elsewhere. */
import { createHash } from 'node:crypto';
import type { Account } from './accounts';

const style = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem; color: #222; }
  input, button { font: inherit; padding: .4rem .6rem; }
  input { width: 18rem; max-width: 100%; }
  [role=alert] { color: #a00; }
  small { color: #666; }
`;

/** Headers of every page. No form-action: browsers would apply it to the redirects that follow the form as well. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** What the sign-in page shows. */
export interface SignInPage {
  /** Links that fill the form. */
  accounts: readonly Account[];
  /** What the form is filled with. */
  login: string;
  /** What was wrong with the last try. */
  error?: string | undefined;
}

/** The page where one says who one is. Its form posts `login` to the page's own address. */
export function renderSignInPage({ accounts, login, error }: SignInPage): string {
  const link = ({ email, name }: Account) =>
    `<li><a href="?login=${encodeURIComponent(email)}">${escapeHtml(name)}</a> <small>${escapeHtml(email)}</small></li>`;
  return renderPage(
    'Sign in',
    `<p>This is the development identity provider: say who you are, there is no password.</p>
${error === undefined ? '' : `<p role="alert">${escapeHtml(error)}</p>`}
<form method="post">
<p><label>E-mail address<br>
<input name="login" type="email" required autofocus autocomplete="off" value="${escapeHtml(login)}"></label>
<button type="submit">Sign in</button></p>
</form>
<p>Or fill in one of these:</p>
<ul>
${accounts.map(link).join('\n')}
</ul>`,
  );
}

/** A page that says what went wrong. */
export function renderErrorPage(message: string): string {
  return renderPage('This did not work', `<p role="alert">${escapeHtml(message)}</p>`);
}

/** The page that asks whether one wants to sign out. @param form - With the id that the buttons name. */
export function renderSignOutPage(form: string): string {
  const button = '<button type="submit" form="op.logoutForm"';
  return renderPage(
    'Sign out',
    `${form}<p>${button} name="logout" value="yes">Sign out</button> ${button}>Stay</button></p>`,
  );
}

function renderPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
