/** A document that cannot be compared. Its message says where and why. */
export class DocumentError extends Error {}

/** A JSON object. */
export type Members = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of what should be an object; none where it is something else. */
export function membersOf(value: unknown): Members {
  return isObject(value) ? value : {};
}

/** The items of what should be a list; none where it is something else. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Follows the references of a document of OpenAPI. */
export class References {
  constructor(private readonly document: Members) {}

  /**
   * What a value stands for: itself, or what its `$ref` leads to.
   *
   * @throws DocumentError for a reference that leads nowhere, out of the document, or back to itself
   */
  resolve(value: unknown): Members {
    const followed = new Set<string>();
    let at = value;
    while (isObject(at) && typeof at['$ref'] === 'string') {
      const reference = at['$ref'];
      if (followed.has(reference)) throw new DocumentError(`the reference ${shown(reference)} leads back to itself`);
      followed.add(reference);
      at = this.find(reference);
    }
    return membersOf(at);
  }

  /**
   * What stands at a reference: a JSON Pointer as the fragment of a URI (RFC 6901, 6).
   *
   * @throws DocumentError for a reference that leads nowhere, or out of the document
   */
  find(reference: string): unknown {
    if (!reference.startsWith('#')) {
      throw new DocumentError(`the reference ${shown(reference)} leads out of the document, which is not followed`);
    }
    let at: unknown = this.document;
    for (const token of tokensOf(reference)) {
      const isThere = Array.isArray(at) || isObject(at) ? Object.hasOwn(at, token) : false;
      if (!isThere) throw new DocumentError(`the reference ${shown(reference)} leads nowhere`);
      at = (at as Members)[token];
    }
    return at;
  }
}

function tokensOf(reference: string): string[] {
  let pointer;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    throw new DocumentError(`the reference ${shown(reference)} is not percent-encoded as it should be`);
  }
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw new DocumentError(`the reference ${shown(reference)} is no JSON Pointer`);
  const tokens = pointer.slice(1).split('/');
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function shown(reference: string): string {
  return JSON.stringify(reference.length > 200 ? `${reference.slice(0, 200)}...` : reference);
}
