import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { closedAtEnd } from '../support/ending.js';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** CN of the client certificate, where it is one of the authority's. */
  readonly clientName: string | undefined;
  /** What the client asked for in the handshake. */
  readonly serverName: string | undefined;
  /** Of the connections, the first is 1. */
  readonly connection: number;
}

export interface ApiServer {
  readonly port: number;
  /** `https://127.0.0.1:port` */
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Serves with another certificate from the next connection on. */
  serveWith(serving: IssuedCertificate): void;
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const answerOk: Answer = (_, response) => {
  response.setHeader('Content-Type', 'application/json');
  response.end('{"kind":"Ok"}');
};

/** A stand-in for an API server: real TLS on a free port, and what was asked of it. Closed after the test. */
export async function startApiServer(
  serving: IssuedCertificate,
  {
    answer = answerOk,
    clientAuthorities,
  }: { readonly answer?: Answer; readonly clientAuthorities?: string } = {},
): Promise<ApiServer> {
  const requests: SeenRequest[] = [];
  const open = new Set<Socket>();
  const connections: TLSSocket[] = [];
  const server = createServer(
    {
      cert: serving.certificatePem,
      key: serving.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
      ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
    },
    (request, response) => {
      const at = connections.findIndex((connection) => connection === request.socket);
      const socket = connections[at];
      requests.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        clientName: socket?.authorized === true ? commonNameOf(socket) : undefined,
        serverName: typeof socket?.servername === 'string' ? socket.servername : undefined,
        connection: at + 1,
      });
      answer(request, response);
    },
  );
  server.on('secureConnection', (socket) => {
    connections.push(socket);
  });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return closedAtEnd({
    port,
    url: `https://127.0.0.1:${port}`,
    requests,
    open,
    serveWith({ certificatePem, privateKeyPem }) {
      server.setSecureContext({ cert: certificatePem, key: privateKeyPem });
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  });
}

function commonNameOf(socket: TLSSocket): string | undefined {
  return /^CN=(.*)$/m.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1];
}
