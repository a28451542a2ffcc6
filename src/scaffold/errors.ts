/** Why nothing can be imported, in words for whoever asked for it. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}
