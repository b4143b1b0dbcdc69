import { constants } from 'node:crypto';
import type { ServerOptions as HttpsOptions, Server } from 'node:https';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls';
import {
  ServingCertificates,
  type CurrentKeyPair,
  type KeyPair,
  type NamedKeyPair,
} from './serving-certificates.js';
import { errorClass } from '../error-class.js';
import { tell } from '../tell.js';

/** Kubernetes' names of TLS versions; older ones are not served. */
export const tlsVersions: Readonly<Record<string, SecureVersion>> = {
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
};

/** OpenSSL's names of the ciphers that Kubernetes accepts as secure, by IANA name. Those of TLS 1.3 are fixed. */
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
  /** Used instead of the pair above, for one that changes while the server runs. */
  readonly followed?: CurrentKeyPair;
  /**
   * Further pairs, for clients that ask for their names. Their keys must have the type of the default pair's: Node keeps
   * one certificate of each type, and the client would choose among them.
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
 * The TLS side of the server. It requests certificates but does not verify them: the authenticators do so at every
 * request, so that one that expires on an open connection is refused. No `ca` is set, since Node 24 reduces a chain that
 * OpenSSL has verified to its leaf. Sessions are neither resumed nor renegotiated: a connection has the identity of its
 * own handshake.
 * @throws Error of OpenSSL if certificate, key or cipher list cannot be used; RangeError for an empty list of ciphers.
 */
export function httpsOptions(options: TlsOptions): HttpsOptions {
  // OpenSSL would replace an empty list by its own.
  if (options.ciphers?.join('').trim() === '') throw new RangeError('ciphers must not be empty');
  const context = contextOptions(options, options);
  createSecureContext(context);
  return {
    ...context,
    requestCert: options.requestCertificates ?? false,
    rejectUnauthorized: false,
  };
}

function contextOptions(
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

/**
 * Chooses the certificate of each handshake, so that a followed pair is served from the next connection on; open
 * connections keep theirs. Everything but the pair stays as the server was made.
 */
export class CertificateChoice {
  readonly #certificates: ServingCertificates;
  readonly #contexts = new WeakMap<KeyPair, SecureContext>();

  constructor(private readonly tls: TlsOptions) {
    this.#certificates = new ServingCertificates(tls.followed ?? { current: tls }, tls.named ?? []);
  }

  /** For clients that send a server name, if there is a choice. */
  get serverOptions(): Pick<HttpsOptions, 'SNICallback'> {
    if (this.tls.named === undefined || this.tls.named.length === 0) return {};
    return {
      SNICallback: (serverName, answer) => {
        let context: SecureContext;
        try {
          context = this.#contextOf(this.#certificates.ofServerName(serverName));
        } catch (error) {
          answer(new Error(`no certificate can be chosen: ${errorClass(error)}`));
          return;
        }
        answer(null, context);
      },
    };
  }

  /** For clients that send no server name. Call it before the server listens. */
  follow(server: Server): void {
    let served: KeyPair = this.tls;
    // Before the listener that starts the handshake with the server's current context.
    server.prependListener('connection', ({ localAddress }: Socket) => {
      // If the next pair cannot be used, the previous one stays.
      tell('startServer', () => {
        const pair = this.#certificates.ofAddress(localAddress);
        if (pair === served) return;
        server.setSecureContext(contextOptions(this.tls, pair));
        served = pair;
      });
    });
  }

  #contextOf(pair: KeyPair): SecureContext {
    const context = this.#contexts.get(pair) ?? createSecureContext(contextOptions(this.tls, pair));
    this.#contexts.set(pair, context);
    return context;
  }
}
