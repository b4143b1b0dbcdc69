import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { ProxiedServer } from './fault-proxy.js';
import { startTlsFront, type TlsFront } from './tls-front.js';

/** An HTTPS proxy on a free port of 127.0.0.1; for `through` of a kubeconfig, with `basePath`. */
export interface WorkspaceProxy extends TlsFront {
  readonly basePath: string;
}

/** Has an API server look like kcp to whoever goes by paths: its API stands below `/clusters/root`, and only there. */
export async function startWorkspaceProxy(server: ProxiedServer): Promise<WorkspaceProxy> {
  const basePath = '/clusters/root';
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url: target = '', method, headers } = incoming;
    if (!target.startsWith(`${basePath}/`)) {
      response.writeHead(404).end();
      return;
    }
    const outgoing = request(new URL(target.slice(basePath.length), server.url), {
      method,
      headers,
      ca: readFileSync(server.certificateAuthority),
      agent: false,
    });
    response.once('close', () => outgoing.destroy());
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    const [[upstream]] = await Promise.all([answered, pipeline(incoming, outgoing)]);
    response.writeHead(upstream.statusCode ?? 502, upstream.headers);
    response.flushHeaders();
    await pipeline(upstream, response);
  };
  return { ...(await startTlsFront('workspace-proxy', answer)), basePath };
}
