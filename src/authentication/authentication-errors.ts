import { CodedError } from '../coded-error.js';

/** A file of authorities that cannot be used; the message says which certificate in it, by its place. */
export class CertificateBundleError extends CodedError {
  override readonly name = 'CertificateBundleError';
  readonly code = 'ERR_CERTIFICATE_BUNDLE';
}

/** A token file that cannot be read as one; the message names file and line, never a token. */
export class TokenFileError extends CodedError {
  override readonly name = 'TokenFileError';
  readonly code = 'ERR_TOKEN_FILE';
}

/** A file of public keys that cannot be used; the message names file and block, and quotes nothing of a key. */
export class PublicKeyFileError extends CodedError {
  override readonly name = 'PublicKeyFileError';
  readonly code = 'ERR_PUBLIC_KEY_FILE';
}

/** No keys are at hand, as before a first download. The message is for the operator. */
export class KeySetError extends CodedError {
  override readonly name = 'KeySetError';
  readonly code = 'ERR_KEY_SET';
}

/** An OpenID Connect option that cannot be used. */
export class OidcOptionError extends CodedError {
  override readonly name = 'OidcOptionError';
  readonly code = 'ERR_OIDC_OPTION';

  constructor(
    readonly option: string,
    /** What is wrong with it, without its name. */
    readonly fault: string,
  ) {
    super(`${option}: ${fault}`);
  }
}
