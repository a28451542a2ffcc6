import damerauLevenshtein from 'damerau-levenshtein';

/** `Did you mean "a" or "b"?`, or nothing where no candidate comes near. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const near = [...candidates]
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance: d }) => d <= Math.max(2, Math.floor(candidate.length * 0.4)))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, 3)
    .map(({ candidate }) => `"${candidate}"`);
  return near.length === 0 ? undefined : `Did you mean ${near.join(' or ')}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one word of another. */
export function editDistance(a: string, b: string): number {
  return damerauLevenshtein(a, b).steps;
}
