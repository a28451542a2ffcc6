/** A comment of a proto as a description; undefined where there is none. */
export function descriptionOf(comment: string | null | undefined): string | undefined {
  const text = (comment ?? '')
    // Internal notes of the proto's authors (AIP-192).
    .replace(/\(--[^]*?--\)/g, '')
    .replaceAll('\t', '  ')
    .replace(/[^\P{Cc}\n]/gu, '')
    .split('\n')
    .filter((line) => !/^\s*(buf:lint:|protolint:|@exclude|clang-format )/.test(line))
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return text === '' ? undefined : text;
}
