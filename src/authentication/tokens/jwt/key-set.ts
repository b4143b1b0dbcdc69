import type { KeyObject } from 'node:crypto';

/** A public key that tokens may be signed with. */
export interface VerificationKey {
  readonly keyId?: string | undefined;
  /** Public, and asymmetric: RSA of at least 2,048 bits, EC P-256, P-384 or P-521, or Ed25519. */
  readonly key: KeyObject;
  /** The only algorithm (RFC 7518) it may be used with; undefined leaves it to the key's type. */
  readonly algorithm?: string | undefined;
}

/** Keys that tokens are verified with; the set may be another at the next token. */
export interface KeySet {
  /** Another object whenever the keys are others: what was verified before then has to be verified again. */
  readonly version: unknown;
  /**
   * The keys that may have signed a token with this header: those of its key ID; without one, every key.
   * Rejects with KeySetError while there are none at all.
   */
  find(header: {
    readonly keyId: string | undefined;
  }): readonly VerificationKey[] | Promise<readonly VerificationKey[]>;
}
