import { hash, randomBytes } from 'node:crypto';

/**
 * What tokens are kept and looked up by: SHA-256 behind a salt, so that the time of a look-up tells nothing of a
 * token, and nothing that is kept can be used as one.
 */
export class TokenDigest {
  /** Of this object alone: no two tables have a key in common. */
  readonly #salt = randomBytes(32).toString('base64');

  of(token: string): string {
    return hash('sha256', this.#salt + token);
  }
}
