import { rejectText } from './values';

/** Ms. Node fires a timer at once where its delay is longer. */
export const longestTimer = 2 ** 31 - 1;
const millisecondsOf = { ms: 1, s: 1000, m: 60_000 } as const;

/**
 * Reads a duration such as `500ms`, `2s`, `1.5s` or `1m`.
 *
 * @returns whole ms; undefined for a bare number, a negative one, parts of a ms, more than a timer can wait (24.8 days), and
 *   anything else
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,10}(?:\.\d{1,6})?)(ms|s|m)$/.exec(text);
  if (!match) return undefined;
  const exact = Number(match[1]) * millisecondsOf[match[2] as keyof typeof millisecondsOf];
  const whole = Math.round(exact);
  // In floating point 1.1 s is 1100.0000000000002 ms.
  return Math.abs(exact - whole) < 1e-6 && whole <= longestTimer ? whole : undefined;
}

/** The parser of a variable that holds a duration from `min` to `max`, in ms. */
export function duration(min: string, max: string): (text: string) => number {
  return (text) => {
    const value = parseDuration(text);
    if (value === undefined) {
      rejectText(text, /^[\d.]+$/.test(text) ? 'has no unit' : 'is not a duration in whole milliseconds');
    }
    if (value < (parseDuration(min) ?? 0)) rejectText(text, `is less than ${min}`);
    if (value > (parseDuration(max) ?? longestTimer)) rejectText(text, `is more than ${max}`);
    return value;
  };
}
