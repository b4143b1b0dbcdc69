import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type ConnectionOptions } from 'node:tls';

/** After how long a silence TCP probes the peer (ms). */
const probeDelayMs = 10_000;

/** How long a connection waits for the next request (ms): kube-apiserver closes it after 90 s, so less. */
const keepAliveOptions: AgentOptions = { keepAlive: true, keepAliveMsecs: probeDelayMs, timeout: 60_000 };

/** The connections to one server, kept alive as long as its address and TLS options stay the same. */
export class ConnectionPool {
  #kept: { readonly identity: readonly unknown[]; readonly agent: HttpAgent } | undefined;
  #isClosed = false;

  /** The agent for an `identity`: everything that `make` depends on. */
  agentFor(identity: readonly unknown[], make: () => HttpAgent): HttpAgent {
    if (!this.#kept?.identity.every((part, at) => part === identity[at])) {
      this.#retire();
      this.#kept = { identity, agent: make() };
      // For a request that was in progress when all was closed.
      if (this.#isClosed) this.#retire();
    }
    return this.#kept.agent;
  }

  /** Closes idle connections now, and the others when their requests end. */
  close(): void {
    this.#isClosed = true;
    this.#retire();
  }

  #retire(): void {
    if (this.#kept === undefined) return;
    this.#kept.agent.maxFreeSockets = 0;
    closeIdleConnections(this.#kept.agent);
  }
}

export function keepAliveAgent(protocol: string, tls: ConnectionOptions): HttpAgent {
  return protocol === 'http:'
    ? new HttpAgent(keepAliveOptions)
    : // One for all connections: to make it takes milliseconds.
      new HttpsAgent({ ...keepAliveOptions, ...tls, secureContext: createSecureContext(tls) });
}

/** A peer that has vanished does not close its connection. */
export function probeWhenSilent(socket: Socket): void {
  const probe = (): void => {
    socket.setKeepAlive(true, probeDelayMs);
  };
  // Node forgets a setting made earlier.
  if (socket.connecting) socket.once('connect', probe);
  else probe();
}

/** Closes the connections of an agent that no request uses. */
export function closeIdleConnections(agent: HttpAgent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
