import { GatewayError } from '../errors';

/** The forms that an answer may have. */
export type Form = 'json' | 'sse' | 'ndjson';

/** Media types by form, each with the ranges that allow it, the most specific first. */
const mediaTypes: Readonly<Record<Form, readonly string[]>> = {
  json: ['application/json', 'application/*', '*/*'],
  sse: ['text/event-stream', 'text/*', '*/*'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/*', '*/*'],
};

/**
 * Chooses the form of an answer by Accept (RFC 9110, 12.5.1): of those that the route has, the one with the highest weight, which its
 * most specific range says; of several, the one that Accept names first, and of what a range leaves open the first of the route's.
 *
 * @param forms - Those that the route has, the usual one first.
 * @throws GatewayError NOT_ACCEPTABLE where Accept allows none of them
 */
export function chooseForm(accept: string | undefined, forms: readonly Form[]): Form {
  const [usual = 'json'] = forms;
  if (accept === undefined || accept.trim() === '' || accept === '*/*') return usual;
  const ranges = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return { type, weight: weightOf(parameters) };
  });
  let best: { readonly form: Form; readonly weight: number; readonly position: number } | undefined;
  for (const form of forms) {
    // The most specific first.
    const type = mediaTypes[form].find((each) => ranges.some((range) => range.type === each));
    const position = ranges.findIndex((range) => range.type === type);
    const weight = ranges[position]?.weight ?? 0;
    if (weight === 0) continue;
    if (!best || weight > best.weight || (weight === best.weight && position < best.position)) {
      best = { form, weight, position };
    }
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
