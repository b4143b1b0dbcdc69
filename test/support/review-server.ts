import type { IncomingMessage, ServerResponse } from 'node:http';
import { startApiServer, type ApiServer } from '../kubernetes/api-server.js';
import { base64, kubeconfigText } from '../kubernetes/kubeconfig-text.js';
import { localAuthority } from './local-authority.js';
import { once } from './once.js';
import { temporaryDirectory } from './temporary-directory.js';

/** A question as it came. */
export interface SentReview {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

export type ReviewAnswer =
  /** The question with this status, as an API server answers. */
  | { readonly status: unknown }
  /** This instead of it: a wrong kind, garbage, something huge. */
  | { readonly body: string }
  /** No success. */
  | { readonly code: number; readonly message?: string; readonly headers?: Readonly<Record<string, string>> }
  /** Never an answer. */
  | 'hang'
  /** The connection ends. */
  | 'hang up';

const bearerToken = 'token-of-the-filter';

const clientPair = once(async () => {
  const { authority } = await localAuthority();
  return authority.issue({ commonName: 'filter', usage: 'clientAuth' });
});

/** Stands in for an API server, or a webhook, that answers reviews: on TLS, by a script, and fails when told to. */
export class ReviewServer {
  /** What a question is answered with. */
  script: (review: SentReview) => ReviewAnswer | Promise<ReviewAnswer> = () => ({ status: {} });
  readonly reviews: SentReview[] = [];
  /** With a bearer token for the server in it. */
  readonly kubeconfig: string;
  /** With a client certificate for CN=filter. */
  readonly certificateKubeconfig: string;

  private constructor(
    readonly api: ApiServer,
    kubeconfigs: readonly [withToken: string, withCertificate: string],
    readonly stop: () => Promise<void>,
  ) {
    [this.kubeconfig, this.certificateKubeconfig] = kubeconfigs;
  }

  /** `serverPath` stands in its kubeconfigs' URLs: `/authorize?timeout=1s`. */
  static async start(serverPath = ''): Promise<ReviewServer> {
    const directory = temporaryDirectory();
    const { authority, serving } = await localAuthority();
    const client = await clientPair();
    const servers: ReviewServer[] = [];
    const api = await startApiServer(serving, {
      clientAuthorities: authority.certificatePem,
      answer: (request, response) => void servers[0]?.answer(request, response),
    });
    const write = (name: string, user: Readonly<Record<string, string>>): string => {
      const data = base64(authority.certificatePem);
      const cluster = { server: `${api.url}${serverPath}`, 'certificate-authority-data': data };
      return directory.write(name, kubeconfigText({ cluster, user }));
    };
    const server = new ReviewServer(
      api,
      [
        write('token', { token: bearerToken }),
        write('certificate', {
          'client-certificate-data': base64(client.certificatePem),
          'client-key-data': base64(client.privateKeyPem),
        }),
      ],
      () => api.close(),
    );
    servers.push(server);
    return server;
  }

  /** How many connections there have been. */
  get connections(): number {
    return new Set(this.api.requests.map(({ connection }) => connection)).size;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const review = JSON.parse(text) as SentReview;
    this.reviews.push(review);
    const answer = await this.script(review);
    if (answer === 'hang') return;
    if (answer === 'hang up') {
      request.socket.destroy();
    } else if ('code' in answer) {
      const { code, message, headers = {} } = answer;
      response.writeHead(code, headers).end(JSON.stringify({ kind: 'Status', message, code }));
    } else {
      const body = 'body' in answer ? answer.body : JSON.stringify({ ...review, status: answer.status });
      response.writeHead(201, { 'Content-Type': 'application/json' }).end(body);
    }
  }
}

/** A JWT with these claims and a signature that nobody checks. */
export function tokenClaiming(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg`;
}
