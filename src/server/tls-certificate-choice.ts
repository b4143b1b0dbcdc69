import type { Server, ServerOptions as HttpsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { errorClass } from '../error-class.js';
import { ServingCertificates, type KeyPair } from './serving-certificates.js';
import { contextOptions, type TlsOptions } from './tls.js';

/**
 * Chooses the certificate of each handshake, so that a followed pair is served from the next connection on;
 * connections that are open keep theirs. Everything but the pair stays as the server was made.
 */
export class CertificateChoice {
  readonly #tls: TlsOptions;
  readonly #certificates: ServingCertificates;
  readonly #contexts = new WeakMap<KeyPair, SecureContext>();

  constructor(tls: TlsOptions) {
    this.#tls = tls;
    this.#certificates = new ServingCertificates(tls.followed ?? { current: tls }, tls.named ?? []);
  }

  /** What clients with a server name get, where there is a choice. */
  get serverOptions(): Pick<HttpsOptions, 'SNICallback'> {
    if (this.#tls.named === undefined || this.#tls.named.length === 0) return {};
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

  /** What clients without a server name get. To be called before the server listens. */
  follow(server: Server): void {
    let served: KeyPair = this.#tls;
    // Before the listener that begins the handshake, with the context that the server has then.
    server.prependListener('connection', ({ localAddress }: Socket) => {
      try {
        const pair = this.#certificates.ofAddress(localAddress);
        if (pair === served) return;
        server.setSecureContext(contextOptions(this.#tls, pair));
        served = pair;
      } catch (error) {
        process.emitWarning(`the pair before is served on: ${errorClass(error)}`);
      }
    });
  }

  #contextOf(pair: KeyPair): SecureContext {
    let context = this.#contexts.get(pair);
    if (context === undefined) {
      context = createSecureContext(contextOptions(this.#tls, pair));
      this.#contexts.set(pair, context);
    }
    return context;
  }
}
