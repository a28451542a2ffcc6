import { GatewayError } from '../errors';

/** The forms that an answer may have. */
export type Form = 'json' | 'sse' | 'ndjson';

/** Media types by form, each with the ranges that allow it. */
const mediaTypes: Readonly<Record<Form, readonly string[]>> = {
  json: ['application/json', 'application/*', '*/*'],
  sse: ['text/event-stream', 'text/*', '*/*'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/*', '*/*'],
};

/**
 * Chooses the form of an answer by Accept (RFC 9110, 12.5.1): of those that the route has, the one with the highest weight, of
 * several the one that Accept names first, and of what a range leaves open the first of the route's.
 *
 * @param forms - Those that the route has, the usual one first.
 * @throws GatewayError NOT_ACCEPTABLE where Accept allows none of them
 */
export function chooseForm(accept: string | undefined, forms: readonly Form[]): Form {
  const [usual = 'json'] = forms;
  if (accept === undefined || accept.trim() === '' || accept === '*/*') return usual;
  let best: { readonly form: Form; readonly weight: number } | undefined;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const form = forms.find((each) => mediaTypes[each].includes(type));
    const weight = weightOf(parameters);
    if (form && weight > (best?.weight ?? 0)) best = { form, weight };
  }
  if (best) return best.form;
  const names = forms.map((form) => mediaTypes[form][0]).join(', ');
  throw new GatewayError('NOT_ACCEPTABLE', `Accept must allow one of ${names}.`);
}

function weightOf(parameters: readonly string[]): number {
  const quality = parameters.find((each) => /^q\s*=/.test(each));
  if (quality === undefined) return 1;
  const weight = Number(quality.slice(quality.indexOf('=') + 1));
  return weight >= 0 && weight <= 1 ? weight : 0;
}
