import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Answer, Method } from './api-client.js';
import type { ControlPlane } from './control-plane.js';

/** Requests as an administrator, on connections that are kept: for tests that ask thousands of times. */
export interface KeptConnections {
  /** As `ControlPlane.request`. */
  readonly send: (method: Method, path: string, body?: unknown) => Promise<Answer>;
  /** Does something for each item, on all connections at a time; resolves to what came of it, in their order. */
  map<Item, Result>(
    items: readonly Item[],
    work: (item: Item, at: number) => Promise<Result>,
  ): Promise<readonly Result[]>;
  close(): void;
}

const connections = 16;

export async function keptConnections(controlPlane: ControlPlane): Promise<KeptConnections> {
  const admin = await controlPlane.issueClient('kept-connections', ['system:masters']);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: connections,
    ca: readFileSync(controlPlane.certificateAuthority),
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  });
  return {
    async send(method, path, body) {
      const sent = request(`${controlPlane.url}${path}`, {
        method,
        agent,
        headers: { 'Content-Type': 'application/json' },
      }).end(JSON.stringify(body));
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const { statusCode = 0, headers } = response;
      return { status: statusCode, headers, body: JSON.parse(await text(response)) as unknown };
    },
    async map(items, work) {
      const results = new Array<Awaited<ReturnType<typeof work>>>(items.length);
      const entries = items.entries();
      const takeSome = async (): Promise<void> => {
        for (const [at, item] of entries) results[at] = await work(item, at);
      };
      await Promise.all(Array.from({ length: connections }, takeSome));
      return results;
    },
    close() {
      agent.destroy();
    },
  };
}
