import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { listen } from '../support/listening.js';

export interface Proxy {
  readonly port: number;
  /** Where it was asked to connect to, and as whom. */
  readonly asked: readonly { readonly target: string; readonly credentials?: string }[];
  /** Connections from clients that are open. */
  readonly open: ReadonlySet<Socket>;
  close(): Promise<void>;
}

export type ProxyBehaviour = 'connects' | 'refuses' | 'hangs';

/** An HTTP proxy (CONNECT), closed after the test. Whatever it is asked for, it connects to `port`, or to what that says of the target. */
export async function startConnectProxy(
  port: number | ((target: string) => number | undefined),
  behaviour: ProxyBehaviour = 'connects',
  serving?: IssuedCertificate,
): Promise<Proxy> {
  const asked: { target: string; credentials?: string }[] = [];
  const server =
    serving === undefined
      ? createHttpServer()
      : createHttpsServer({ cert: serving.certificatePem, key: serving.privateKeyPem });
  const closing = await listen(server);
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    const credentials = request.headers['proxy-authorization'];
    asked.push({ target: request.url ?? '', ...(credentials === undefined ? {} : { credentials }) });
    client.on('error', () => undefined);
    if (behaviour === 'hangs') {
      client.resume().once('end', () => client.destroy());
      return;
    }
    if (behaviour === 'refuses') {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
      return;
    }
    const there = typeof port === 'number' ? port : port(request.url ?? '');
    if (there === undefined) {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    tunnel(client, there);
  });
  return { asked, ...closing };
}

/** A SOCKS5 proxy (RFC 1928, 1929), closed after the test. Whatever it is asked for, it connects to `port`. */
export async function startSocksProxy(port: number, behaviour: ProxyBehaviour = 'connects'): Promise<Proxy> {
  const asked: { target: string; credentials?: string }[] = [];
  const server = createServer((client) => {
    client.on('error', () => undefined);
    void serveSocks(client, port, behaviour, asked);
  });
  return { asked, ...(await listen(server)) };
}

async function serveSocks(
  client: Socket,
  port: number,
  behaviour: ProxyBehaviour,
  asked: { target: string; credentials?: string }[],
): Promise<void> {
  const methods = await nextData(client);
  const wantsPassword = methods.subarray(2).includes(2);
  client.write(Buffer.from([5, wantsPassword ? 2 : 0]));
  let credentials: string | undefined;
  if (wantsPassword) {
    const offer = await nextData(client);
    const nameEnd = 2 + (offer[1] ?? 0);
    credentials = `${offer.subarray(2, nameEnd).toString()}:${offer.subarray(nameEnd + 1).toString()}`;
    client.write(Buffer.from([1, 0]));
  }
  const request = await nextData(client);
  asked.push({ target: socksTarget(request), ...(credentials === undefined ? {} : { credentials }) });
  if (behaviour === 'hangs') return;
  const status = behaviour === 'refuses' ? 2 : 0;
  client.write(Buffer.from([5, status, 0, 1, 0, 0, 0, 0, 0, 0]));
  if (behaviour === 'refuses') client.end();
  else tunnel(client, port);
}

function socksTarget(request: Buffer): string {
  const port = request.readUInt16BE(request.length - 2);
  const address = request.subarray(4, -2);
  return request[3] === 1 ? `${[...address].join('.')}:${port}` : `${address.subarray(1).toString()}:${port}`;
}

/** Each message of this protocol waits for an answer, so that it comes alone. */
function nextData(client: Socket): Promise<Buffer> {
  return new Promise((resolve) => client.once('data', resolve));
}

function tunnel(client: Socket, port: number): void {
  const upstream = connect(port, '127.0.0.1');
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
  client.pipe(upstream).pipe(client);
}
