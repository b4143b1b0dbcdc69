import { once } from 'node:events';
import {
  createServer,
  request,
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import type { Server as NetServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { openMetricsFilter, type AuditEvent, type OpenMetricsFilterOptions } from '../../src/index.js';
import { listen } from '../support/listening.js';
import { registryWith } from '../support/filter.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

export interface Received {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The port of a server of any kind on 127.0.0.1, until the test is over. */
export const listening = async (server: NetServer): Promise<number> => (await listen(server)).port;

/** A backend that keeps every request it got whole, and then answers it. */
export async function recordingBackend(
  answer: RequestListener = (_, response) => response.writeHead(204).end(),
): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const url = await backend((incoming, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      } catch {
        return;
      }
      const { method = '', url: target = '', headers } = incoming;
      received.push({ method, target, headers, body: Buffer.concat(chunks) });
      answer(incoming, response);
    })();
  });
  return { url, received };
}

export async function backend(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(createServer(answer))}`;
}

/** `writer` may use every path of the gateway, and `reader` may only read. */
export const tokens = [
  'writer-token,writer,1,"writers,tenant:acme"',
  'globex-token,globex,2,"writers,tenant:globex"',
  'reader-token,reader,3,readers',
  'mallory-token,mallory,4',
  '',
].join('\n');

export const gatewayPolicy = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: writer }
rules:
  - nonResourceURLs: [/push, /loki/*, /api/v1/push, /api/search]
    verbs: ['*']
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules:
  - nonResourceURLs: [/push, '/api/*']
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: writers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writer }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: writers }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers }]
`;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asked {
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as it is; several pieces are sent in chunks, one after the other. */
  readonly body?: string | Buffer | readonly Buffer[];
  readonly agent?: Agent;
}

export class GatewayUnderTest {
  readonly events: AuditEvent[] = [];

  constructor(readonly port: number) {}

  /** A request as it is begun; its body is to be written. */
  begin(
    path: string,
    { token = 'writer-token', method = 'POST', headers = {}, agent }: Asked = {},
  ): ClientRequest {
    const begun = request({
      host: '127.0.0.1',
      port: this.port,
      path,
      method,
      agent: agent ?? false,
      headers: { Authorization: `Bearer ${token}`, ...headers } as Record<string, string | string[]>,
    });
    begun.on('error', () => undefined);
    return begun;
  }

  /** Rejects where the answer breaks off. */
  async ask(path: string, asked: Asked = {}): Promise<Answer> {
    const begun = this.begin(path, asked);
    const answered = once(begun, 'response') as Promise<[IncomingMessage]>;
    const { body = '' } = asked;
    if (typeof body === 'string' || Buffer.isBuffer(body)) begun.end(body);
    else {
      for (const piece of body) begun.write(piece);
      begun.end();
    }
    const [answer] = await answered;
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await textOf(answer) };
  }

  async metric(name: string): Promise<readonly string[]> {
    const { body } = await this.ask('/metrics', { method: 'GET' });
    return body.split('\n').filter((line) => line.startsWith(name));
  }
}

export async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

export function optionsOfGateway(options: OpenMetricsFilterOptions): OpenMetricsFilterOptions {
  const directory = temporaryDirectory();
  const rbac = temporaryDirectory();
  rbac.write('policy.yaml', gatewayPolicy);
  return {
    registers: [registryWith()],
    tokenAuthFile: directory.write('tokens.csv', `${tokens}admin-token,admin,5,system:masters\n`),
    rbacDir: rbac.path,
    bootstrapPolicy: false,
    ...options,
  };
}

/** `openMetricsFilter` on a bare server; what it passes on is answered 418. */
export async function gatewayWith(options: OpenMetricsFilterOptions): Promise<GatewayUnderTest> {
  const events: AuditEvent[] = [];
  const filter = await openMetricsFilter({
    ...optionsOfGateway(options),
    onAuditEvent: (event) => events.push(event),
  });
  onTestFinished(() => filter.close());
  const port = await listening(
    createServer((incoming, response) => {
      filter(incoming, response, () => response.writeHead(418).end());
    }),
  );
  return Object.assign(new GatewayUnderTest(port), { events });
}
