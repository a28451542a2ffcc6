import { createHash, hkdfSync } from 'node:crypto';

/** Loaded at the first sign-in, to keep the start fast. */
const loadJose = () => import('jose');

/** Turns a value into text that only gateways with the same secrets can read or make. */
export interface Seal {
  seal(value: unknown): Promise<string>;
  /** @returns The value; undefined for what was not sealed here, was changed, or has expired. */
  unseal(sealed: string): Promise<unknown>;
}

export interface SealOptions {
  /** The first seals, every one unseals: to rotate, put the new secret in front. At least one. */
  readonly secrets: readonly string[];
  /** What the sealed text is for. Text that was sealed for another purpose does not unseal. */
  readonly purpose: string;
  /** Ms for which sealed text can be unsealed. */
  readonly lifetime: number;
}

interface SealKey {
  /** Identifies the key in what it sealed, and reveals nothing of it. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** The key is used directly: no one else reads the text, so there is no content key to wrap. */
const alg = 'dir';
const enc = 'A256GCM';

/**
 * Seals as JWE in its compact form (RFC 7516 section 7.1), with keys derived by HKDF-SHA-256 (RFC 5869).
 *
 * @throws Error where there is no secret.
 */
export function createSeal({ secrets, purpose, lifetime }: SealOptions): Seal {
  const keys = secrets.map((secret) => deriveKey(secret, purpose));
  const [current] = keys;
  if (!current) throw new Error('a seal needs at least one secret');

  return {
    async seal(value) {
      const { CompactEncrypt } = await loadJose();
      const content = JSON.stringify({ expiresAt: Date.now() + lifetime, value });
      return new CompactEncrypt(Buffer.from(content))
        .setProtectedHeader({ alg, enc, kid: current.id })
        .encrypt(current.bytes);
    },
    async unseal(sealed) {
      const text = await decrypt(sealed, keys);
      if (text === undefined) return undefined;
      const { expiresAt, value } = JSON.parse(text) as { expiresAt: number; value: unknown };
      return expiresAt > Date.now() ? value : undefined;
    },
  };
}

function deriveKey(secret: string, purpose: string): SealKey {
  const bytes = new Uint8Array(hkdfSync('sha256', secret, '', `api-gateway ${purpose}`, 32));
  return { id: createHash('sha256').update(bytes).digest('base64url').slice(0, 8), bytes };
}

async function decrypt(sealed: string, keys: readonly SealKey[]): Promise<string | undefined> {
  const { compactDecrypt, errors } = await loadJose();
  try {
    const { plaintext } = await compactDecrypt(
      sealed,
      ({ kid }) => {
        const key = keys.find(({ id }) => id === kid);
        if (!key) throw new errors.JWEDecryptionFailed();
        return key.bytes;
      },
      { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] },
    );
    return Buffer.from(plaintext).toString();
  } catch (error) {
    // Text that a client made up is expected. Any other error is a bug, and must not pass for an expired attempt.
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
