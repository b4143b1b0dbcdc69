import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../src/pki/throwaway-pki.js';

/** An HTTPS server on a free port of 127.0.0.1, with a certificate of its own. */
export interface TlsFront {
  readonly origin: string;
  /** PEM; of its own serving certificate. */
  readonly certificateAuthority: string;
  close(): Promise<void>;
}

/** What proxies that end TLS show to their clients; `answer` does the rest. */
export async function startTlsFront(
  commonName: string,
  answer: (incoming: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<TlsFront> {
  const authority = await createAuthority({ commonName: `${commonName}-ca` });
  const serving = await authority.issue({ commonName, usage: 'serverAuth', ipAddresses: ['127.0.0.1'] });
  const server = createServer(
    { cert: serving.certificatePem, key: serving.privateKeyPem },
    (incoming, response) => {
      // Either side may be gone, and a client is told by its connection.
      answer(incoming, response).catch(() => response.destroy());
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateAuthority: authority.certificatePem,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
