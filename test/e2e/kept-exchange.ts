import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { localAuthority } from '../support/local-authority.js';

/** One exchange as it came by: what was asked for, by whom, and what the server sent, byte for byte. */
export interface KeptExchange {
  readonly asked: { readonly target: string; readonly headers: IncomingHttpHeaders; readonly client: string };
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Stands between a filter and its upstream and keeps the last exchange. */
export interface KeepingProxy {
  readonly origin: string;
  /** PEM; of its own serving certificate. */
  readonly certificateAuthority: string;
  /** @throws where there was none. */
  last(): KeptExchange;
  close(): Promise<void>;
}

export interface KeepingProxyOptions {
  readonly origin: string;
  /** File of the authority of its serving certificate. */
  readonly certificateAuthority: string;
  /** How the proxy makes itself known to it. */
  readonly client: IssuedCertificate;
  /** PEM; the proxy wants a certificate of this authority from its clients. */
  readonly clientAuthority: string;
}

/** HTTPS and client certificates on both sides, on a free port of 127.0.0.1. */
export async function startKeepingProxy(options: KeepingProxyOptions): Promise<KeepingProxy> {
  const { authority, serving } = await localAuthority();
  let kept: KeptExchange | undefined;
  const forward = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { headers, url: target = '' } = incoming;
    const outgoing = request(new URL(target, options.origin), {
      headers: withoutHop(headers),
      ca: readFileSync(options.certificateAuthority),
      cert: options.client.certificatePem,
      key: options.client.privateKeyPem,
      agent: false,
    }).end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    kept = {
      asked: { target, headers, client: nameOfClient(incoming) },
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body: Buffer.concat(chunks),
    };
    response.writeHead(kept.status, withoutHop(answer.headers)).end(kept.body);
  };
  const server = createServer(
    {
      cert: serving.certificatePem,
      key: serving.privateKeyPem,
      ca: options.clientAuthority,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (incoming, response) => {
      forward(incoming, response).catch(() => response.destroy());
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateAuthority: authority.certificatePem,
    last() {
      if (kept === undefined) throw new Error('nothing came by');
      return kept;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Without what is between the proxy and one of its neighbours. */
function withoutHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hop.has(name)));
}

function nameOfClient({ socket }: IncomingMessage): string {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : '';
}
