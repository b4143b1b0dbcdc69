import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import type { ProxiedServer } from './fault-proxy.js';

/** An HTTPS proxy on a free port of 127.0.0.1; for `through` of a kubeconfig, with `basePath`. */
export interface WorkspaceProxy {
  readonly origin: string;
  /** PEM; of its own serving certificate. */
  readonly certificateAuthority: string;
  readonly basePath: string;
  close(): Promise<void>;
}

/** Has an API server look like kcp to whoever goes by paths: its API stands below `/clusters/root`, and only there. */
export async function startWorkspaceProxy(server: ProxiedServer): Promise<WorkspaceProxy> {
  const basePath = '/clusters/root';
  const authority = await createAuthority({ commonName: 'workspace-proxy-ca' });
  const serving = await authority.issue({
    commonName: 'workspace-proxy',
    usage: 'serverAuth',
    ipAddresses: ['127.0.0.1'],
  });
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
  const proxy = createServer(
    { cert: serving.certificatePem, key: serving.privateKeyPem },
    (incoming, response) => {
      // Either side may be gone, and a client is told by its connection.
      answer(incoming, response).catch(() => response.destroy());
    },
  ).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    origin: `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    certificateAuthority: authority.certificatePem,
    basePath,
    async close() {
      proxy.closeAllConnections();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
