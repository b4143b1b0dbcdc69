import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { atEnd } from './ending.js';

/** Of the options to connect with: the certificate to present, if any. */
export function keyPairOf(pair: IssuedCertificate | undefined): ConnectionOptions {
  return pair === undefined ? {} : { cert: pair.certificatePem, key: pair.privateKeyPem };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Header lines; a list is sent as one line each. */
export type RawHeaders = Readonly<Record<string, string | readonly string[]>>;

/**
 * A client that sends request targets and header values as they are, where others would normalize them.
 * Keeps its connection, and opens another when the server has closed it; closed after the test.
 */
export class RawClient {
  #socket: TLSSocket | undefined;

  constructor(private readonly options: ConnectionOptions) {
    atEnd(() => {
      this.close();
    });
  }

  /** The open one: another after the server has closed it. */
  get connection(): TLSSocket | undefined {
    return this.#socket;
  }

  async request(
    target: string,
    { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: RawHeaders } = {},
  ): Promise<RawAnswer> {
    const lines = Object.entries(headers).flatMap(([name, values]) =>
      (typeof values === 'string' ? [values] : values).map((value) => `${name}: ${value}`),
    );
    const head = [`${method} ${target} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n');
    const socket = await this.#connected();
    const answer = readAnswer(socket, method);
    socket.write(Buffer.from(head, 'utf8'));
    const read = await answer;
    if (read.headers.get('connection') === 'close') this.close();
    return read;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #connected(): Promise<TLSSocket> {
    if (this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writable) return this.#socket;
    const socket = connect({
      host: '127.0.0.1',
      servername: 'localhost',
      rejectUnauthorized: false,
      ...this.options,
    });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }
}

/** One request over a connection of its own. */
export async function requestOnce(
  options: ConnectionOptions,
  ...request: Parameters<RawClient['request']>
): Promise<RawAnswer> {
  const client = new RawClient(options);
  try {
    return await client.request(...request);
  } finally {
    client.close();
  }
}

function readAnswer(socket: TLSSocket, method: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const done = (outcome: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.off('error', onError);
      outcome();
    };
    const onData = (data: Buffer): void => {
      received = Buffer.concat([received, data]);
      const parsed = parseAnswer(received, method, false);
      if (parsed !== undefined)
        done(() => {
          resolve(parsed);
        });
    };
    const onClose = (): void => {
      const parsed = parseAnswer(received, method, true);
      done(() => {
        if (parsed === undefined) reject(new Error('closed without an answer'));
        else resolve(parsed);
      });
    };
    const onError = (error: Error): void => {
      done(() => {
        reject(error);
      });
    };
    socket.on('data', onData);
    socket.on('close', onClose);
    socket.on('error', onError);
  });
}

function parseAnswer(received: Buffer, method: string, isClosed: boolean): RawAnswer | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = received.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const body = received.subarray(end + 4);
  const length =
    method === 'HEAD' ? 0 : Number(headers.get('content-length') ?? (isClosed ? body.length : Infinity));
  if (body.length < length && !isClosed) return undefined;
  return { status: Number(statusLine.split(' ')[1]), headers, body: body.toString('utf8') };
}
