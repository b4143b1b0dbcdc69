import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import type { ServerOptions as HttpsOptions } from 'node:https';
import type { CurrentKeyPair, KeyPair, NamedKeyPair } from './serving-certificates.js';

/** Kubernetes' names of `--tls-min-version`; older versions are not served. */
export const tlsVersions: Readonly<Record<string, SecureVersion>> = {
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
};

/** The IANA names that Kubernetes accepts and calls secure, with OpenSSL's. Those of TLS 1.3 are fixed. */
export const tlsCipherSuites: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};

export interface TlsOptions extends KeyPair {
  /** Served in place of the pair above, for one that changes while the server runs. */
  readonly followed?: CurrentKeyPair;
  /**
   * Further pairs, for clients that ask for their names. Their keys must be of the same type as that of the default
   * pair: Node keeps one certificate of each type, and a client would choose among them.
   */
  readonly named?: readonly NamedKeyPair[];
  /** Default `TLSv1.2`. */
  readonly minVersion?: SecureVersion;
  /** OpenSSL's names. Default: every one of `tlsCipherSuites`. */
  readonly ciphers?: readonly string[];
  /** Whether clients are asked for a certificate. Default false. */
  readonly requestCertificates?: boolean;
}

/**
 * The TLS side of the server. Certificates are asked for but not judged here: the authenticators do that at
 * every request, so that one which expires on an open connection is refused from then on. No `ca` is set: a chain
 * that OpenSSL has verified against it is cut down to its leaf by Node 24. Sessions are not resumed and not renegotiated: a connection has one identity, that of its own handshake.
 *
 * @throws Error of OpenSSL when certificate, key or cipher list cannot be used; RangeError for ciphers that are none.
 */
export function httpsOptions(options: TlsOptions): HttpsOptions {
  // OpenSSL would take its own list for an empty one.
  if (options.ciphers?.join('').trim() === '') throw new RangeError('ciphers must not be empty');
  const context = contextOptions(options, options);
  createSecureContext(context);
  return {
    ...context,
    requestCert: options.requestCertificates ?? false,
    rejectUnauthorized: false,
    handshakeTimeout: 10_000,
  };
}

/** The same with another pair: all that a handshake is held to. */
export function contextOptions(
  { minVersion = 'TLSv1.2', ciphers = Object.values(tlsCipherSuites) }: TlsOptions,
  { certificate, privateKey }: KeyPair,
): SecureContextOptions {
  return {
    cert: certificate,
    key: privateKey,
    minVersion,
    ciphers: ciphers.join(':'),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}
