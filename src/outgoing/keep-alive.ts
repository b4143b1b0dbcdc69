import type { Agent, AgentOptions } from 'node:http';
import type { Socket } from 'node:net';

/** After how long a silence a peer is asked whether it is still there (ms). */
const probeDelayMs = 10_000;

/** Connections wait a minute for the next request. kube-apiserver closes those of 90 s; better be first. */
export const keepAliveOptions: AgentOptions = {
  keepAlive: true,
  keepAliveMsecs: probeDelayMs,
  timeout: 60_000,
};

/** A peer that has vanished ends no connection by itself. */
export function probeWhenSilent(socket: Socket): void {
  const probe = (): void => {
    socket.setKeepAlive(true, probeDelayMs);
  };
  // Node forgets what it is told before.
  if (socket.connecting) socket.once('connect', probe);
  else probe();
}

/** Closes the connections of an agent that no request uses. */
export function closeIdleConnections(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
