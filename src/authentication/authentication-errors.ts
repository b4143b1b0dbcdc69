import { CodedError } from '../coded-error.js';

/** A file of authorities that cannot be used; the message gives the position of the certificate in it. */
export class CertificateBundleError extends CodedError {
  override readonly name = 'CertificateBundleError';
  readonly code = 'ERR_CERTIFICATE_BUNDLE';
}

/** An invalid token file; the message names file and line, never a token. */
export class TokenFileError extends CodedError {
  override readonly name = 'TokenFileError';
  readonly code = 'ERR_TOKEN_FILE';
}

/** An invalid file of public keys; the message names file and block and quotes nothing of a key. */
export class PublicKeyFileError extends CodedError {
  override readonly name = 'PublicKeyFileError';
  readonly code = 'ERR_PUBLIC_KEY_FILE';
}

/** There are no keys, for example before the first download. The message is for the operator. */
export class KeySetError extends CodedError {
  override readonly name = 'KeySetError';
  readonly code = 'ERR_KEY_SET';
}

/** An invalid OpenID Connect option. */
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
