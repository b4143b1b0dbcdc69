import { codedError } from '../coded-error.js';

/** A file of authorities that cannot be used; the message gives the position of the certificate in it. */
export class CertificateBundleError extends codedError('CertificateBundleError', 'ERR_CERTIFICATE_BUNDLE') {}

/** An invalid token file; the message names file and line, never a token. */
export class TokenFileError extends codedError('TokenFileError', 'ERR_TOKEN_FILE') {}

/** An invalid file of public keys; the message names file and block and quotes nothing of a key. */
export class PublicKeyFileError extends codedError('PublicKeyFileError', 'ERR_PUBLIC_KEY_FILE') {}

/** There are no keys, for example before the first download. The message is for the operator. */
export class KeySetError extends codedError('KeySetError', 'ERR_KEY_SET') {}

/** An invalid OpenID Connect option. */
export class OidcOptionError extends codedError('OidcOptionError', 'ERR_OIDC_OPTION') {
  constructor(
    readonly option: string,
    /** What is wrong with it, without its name. */
    readonly fault: string,
  ) {
    super(`${option}: ${fault}`);
  }
}
