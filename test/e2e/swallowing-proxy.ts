import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** What becomes of bytes that come from now on, in both directions. */
export type Passage =
  | { readonly kind: 'pass' }
  /** Half open: connections stay, and are accepted, and the client hears nothing, not even that the server is gone. */
  | { readonly kind: 'swallow' }
  /** All connections are reset, and each new one at once. */
  | { readonly kind: 'cut' }
  /** Each piece that is read is held for so long. */
  | { readonly kind: 'delay'; readonly ms: number };

/** A TCP proxy on a free port of 127.0.0.1; for `through` of a kubeconfig. */
export interface SwallowingProxy {
  readonly origin: string;
  /** How many connections are open. */
  readonly connections: number;
  /** A connection that has lost bytes stays mute for good, until it is cut: to go on would be to forward garbage. */
  set(passage: Passage): void;
  close(): Promise<void>;
}

/** @param server The one behind it, such as a control plane; it need not be up. */
export async function startSwallowingProxy({ url }: { readonly url: string }): Promise<SwallowingProxy> {
  const port = Number(new URL(url).port);
  let passage: Passage = { kind: 'pass' };
  const connections = new Set<Connection>();
  const server = createServer((client) => {
    if (passage.kind === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const connection = new Connection(client, connect({ host: '127.0.0.1', port }), () => passage);
    connections.add(connection);
    client.once('close', () => connections.delete(connection));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const connection of connections) connection.cut();
  };
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections.size;
    },
    set(next) {
      passage = next;
      if (next.kind === 'cut') cut();
    },
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

class Connection {
  #isMute = false;

  constructor(
    private readonly client: Socket,
    private readonly upstream: Socket,
    private readonly passage: () => Passage,
  ) {
    this.#forward(client, upstream);
    this.#forward(upstream, client);
  }

  cut(): void {
    this.client.resetAndDestroy();
    this.upstream.resetAndDestroy();
  }

  #forward(from: Socket, to: Socket): void {
    let held: Promise<void> = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      const passage = this.passage();
      if (passage.kind === 'swallow') this.#isMute = true;
      if (this.#isMute) return;
      if (passage.kind === 'delay') {
        from.pause();
        held = setTimeout(passage.ms).then(() => {
          to.write(bytes);
          from.resume();
        });
      } else if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    // Each is followed by a close.
    from.on('error', () => undefined);
    from.once('close', (hadError) => {
      if (from === this.upstream && (this.#isMute || this.passage().kind === 'swallow')) return;
      // A socket ends although it is paused, and what is held comes before its end.
      void held.then(() => {
        if (hadError) to.resetAndDestroy();
        else to.destroySoon();
      });
    });
  }
}
