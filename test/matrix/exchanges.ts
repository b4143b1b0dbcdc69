import diagnostics from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** A request as a server of this process got it, and its answer. */
export interface Exchange {
  readonly accept: string;
  readonly acceptEncoding: string;
  readonly authorization: string;
  readonly userAgent: string;
  readonly hasCertificate: boolean;
  /** Undefined until the answer is over. */
  status?: number;
  contentType?: string;
  contentEncoding?: string;
  retryAfter?: string | undefined;
  /** Whether the answer was given up in the middle. */
  isCut?: boolean;
}

interface Started {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The exchanges of any server of this process, by its port. */
export class Exchanges {
  readonly #byPort = new Map<number, Exchange[]>();
  readonly #onStart = (message: unknown): void => {
    const { request, response } = message as Started;
    const { socket, headers } = request;
    const exchange: Exchange = {
      accept: headers.accept ?? '',
      acceptEncoding: headers['accept-encoding'] ?? '',
      authorization: headers.authorization ?? '',
      userAgent: headers['user-agent'] ?? '',
      hasCertificate: 'getPeerX509Certificate' in socket && hasCertificate(socket as TLSSocket),
    };
    const port = socket.localPort ?? 0;
    this.#byPort.set(port, [...this.at(port), exchange]);
    response.once('close', () => {
      // What `writeHead` was given, `getHeader` does not know.
      const head = String(Reflect.get(response, '_header'));
      const field = (name: string): string => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(head)?.[1] ?? '';
      exchange.status = response.statusCode;
      exchange.contentType = field('content-type');
      exchange.contentEncoding = field('content-encoding');
      exchange.retryAfter = field('retry-after');
      exchange.isCut = !response.writableFinished;
    });
  };

  constructor() {
    diagnostics.subscribe('http.server.request.start', this.#onStart);
  }

  at(port: number): readonly Exchange[] {
    return this.#byPort.get(port) ?? [];
  }

  stop(): void {
    diagnostics.unsubscribe('http.server.request.start', this.#onStart);
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return socket.getPeerX509Certificate() !== undefined;
}
