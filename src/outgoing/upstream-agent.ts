import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { closeIdleConnections, keepAliveOptions } from './keep-alive.js';
import { serverTrust } from './server-trust.js';
import type { ClientCertificate } from './tls-material.js';

/** How an https upstream is known, and how it knows us. Replaced whole, never changed in place. */
export interface UpstreamTls {
  /** PEM bundle of the authorities of its certificate. Default: those that Node trusts. */
  readonly ca?: string | undefined;
  /** Presented to it, where it asks. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /** DNS name or IP address that its certificate must be for, in place of the URL's host. */
  readonly serverName?: string | undefined;
}

interface Pool {
  /** What the agent was made for. */
  readonly ca: UpstreamTls['ca'];
  readonly clientCertificate: UpstreamTls['clientCertificate'];
  readonly agent: HttpAgent;
}

/** The connections to one upstream, kept alive for as long as authorities and certificate stay the same. */
export class UpstreamAgent {
  readonly #url: URL;
  readonly #tls: UpstreamTls;
  #pool: Pool | undefined;

  /** `tls` is read at each request: its members may be getters. */
  constructor(url: URL, tls: UpstreamTls) {
    this.#url = url;
    this.#tls = tls;
  }

  /** For the next request. */
  get current(): HttpAgent {
    const { ca, clientCertificate } = this.#tls;
    if (this.#pool?.ca !== ca || this.#pool?.clientCertificate !== clientCertificate) this.retire();
    this.#pool ??= { ca, clientCertificate, agent: this.#make() };
    return this.#pool.agent;
  }

  /** Closes idle connections now, and the others when their requests end. */
  retire(): void {
    if (this.#pool === undefined) return;
    this.#pool.agent.maxFreeSockets = 0;
    closeIdleConnections(this.#pool.agent);
    this.#pool = undefined;
  }

  #make(): HttpAgent {
    return this.#url.protocol === 'http:'
      ? new HttpAgent(keepAliveOptions)
      : new HttpsAgent({ ...keepAliveOptions, ...this.#connectionOptions() });
  }

  #connectionOptions(): ConnectionOptions {
    const { ca, clientCertificate, serverName = this.#url.hostname.replace(/^\[(.*)\]$/, '$1') } = this.#tls;
    return {
      ...serverTrust(serverName, ca),
      ...(clientCertificate === undefined
        ? {}
        : { cert: clientCertificate.certificate, key: clientCertificate.privateKey }),
    };
  }
}
