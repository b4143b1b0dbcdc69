import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import express from 'express';
import express4 from 'express4';
import { Registry } from 'prom-client';
import {
  apiserverMetrics,
  type ApiserverMetricsOptions,
} from '../../../src/telemetry/api-server/apiserver-metrics.js';
import { linesOf } from '../series.js';
import { atEnd } from '../../support/ending.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type RequestListener = (measure: ReturnType<typeof apiserverMetrics>, handle: Handler) => Handler;

function expressListener(create: typeof express): RequestListener {
  return (measure, handle) => {
    const app = create();
    app.use(measure);
    app.use(handle);
    return app;
  };
}

/** The ways to mount it. */
export const listeners: readonly (readonly [string, RequestListener])[] = [
  ['Express 5', expressListener(express)],
  ['Express 4', expressListener(express4)],
  [
    'node:http alone',
    (measure, handle) => (request, response) => {
      measure(request, response, () => {
        handle(request, response);
      });
    },
  ],
];

/** A server on 127.0.0.1 whose requests are counted. */
export class MeasuredServer {
  readonly registry = new Registry();
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(
    listener: RequestListener,
    handle: Handler,
    options: Omit<ApiserverMetricsOptions, 'registry'>,
  ) {
    this.#server = createServer(
      listener(apiserverMetrics({ registry: this.registry, ...options }), (request, response) => {
        this.#server.emit('measured', request, response);
        handle(request, response);
      }),
    );
  }

  static async start(
    listener: RequestListener,
    handle: Handler,
    options: Omit<ApiserverMetricsOptions, 'registry'> = {},
  ): Promise<MeasuredServer> {
    const server = new MeasuredServer(listener, handle, options);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    atEnd(() => server.stop());
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when the handler has been given a request. */
  async handled(): Promise<ServerResponse> {
    const [, response] = (await once(this.#server, 'measured')) as [IncomingMessage, ServerResponse];
    return response;
  }

  async connect(): Promise<Socket> {
    const socket = connect(this.#port, '127.0.0.1');
    this.#clients.add(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** The lines of one metric. */
  async lines(metric: string): Promise<readonly string[]> {
    return (await linesOf(this.registry)).filter((line) => line.startsWith(`${metric}{`));
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    for (const client of this.#clients) client.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
