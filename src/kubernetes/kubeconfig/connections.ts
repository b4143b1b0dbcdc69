import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { ExecCredential } from '../exec/exec-credential.js';
import type { Kubeconfig } from './kubeconfig.js';
import { closeIdleConnections, keepAliveOptions } from '../../outgoing/keep-alive.js';
import { serverOptions, type ServerOptions } from './server-options.js';

/** Of every request, with the agent that has the connections. */
export type ConnectionRequestOptions = ServerOptions['request'];

interface Known {
  readonly kubeconfig: Kubeconfig;
  readonly execCredential: ExecCredential | undefined;
  readonly options: ConnectionRequestOptions;
}

interface Pool {
  /** What the agent was made for. */
  readonly identity: string;
  readonly agent: HttpAgent;
}

/** The connections to one API server, kept alive for as long as its address and the TLS options stay the same. */
export class Connections {
  #known: Known | undefined;
  #pool: Pool | undefined;
  #isClosed = false;

  /** Options of requests to the kubeconfig's server, with the agent that has the connections. */
  async options(
    kubeconfig: Kubeconfig,
    execCredential: ExecCredential | undefined,
  ): Promise<ConnectionRequestOptions> {
    const known = this.#known;
    if (known?.kubeconfig === kubeconfig && known.execCredential === execCredential) return known.options;
    const server = await serverOptions(kubeconfig, execCredential);
    const identity = JSON.stringify([
      kubeconfig.cluster,
      execCredential?.clientCertificate ?? kubeconfig.user.clientCertificate,
    ]);
    const agent = this.#agentFor(identity, server);
    // TLS options stand in the agent alone: Node keeps apart the connections of requests that bring their own.
    const options = { ...server.request, agent, ...(server.proxyAgent === undefined ? {} : server.tls) };
    this.#known = { kubeconfig, execCredential, options };
    return options;
  }

  /** Closes idle connections now, and the others when their requests end. */
  close(): void {
    this.#isClosed = true;
    this.#retirePool();
  }

  #agentFor(identity: string, server: ServerOptions): HttpAgent {
    if (this.#pool?.identity !== identity) {
      this.#retirePool();
      this.#pool = { identity, agent: agentOf(server) };
      // Of a request that was on its way here when all was closed.
      if (this.#isClosed) this.#retirePool();
    }
    return this.#pool.agent;
  }

  #retirePool(): void {
    if (this.#pool === undefined) return;
    this.#pool.agent.maxFreeSockets = 0;
    closeIdleConnections(this.#pool.agent);
  }
}

function agentOf({ request, tls, proxyAgent }: ServerOptions): HttpAgent {
  if (proxyAgent !== undefined) return proxyAgent;
  return request.protocol === 'http:'
    ? new HttpAgent(keepAliveOptions)
    : new HttpsAgent({ ...keepAliveOptions, ...tls });
}
