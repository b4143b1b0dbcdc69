import { expect } from 'vitest';
import type { ApiClient, ApiResponse } from '../../src/kubernetes/api-client.js';
import { ApiConnectionError } from '../../src/outgoing/outgoing-errors.js';
import {
  openApiClient,
  type OpenApiClientOptions,
} from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { createAuthority, type Authority, type IssuedCertificate } from '../support/certificate-authority.js';
import { closedAtEnd } from '../support/ending.js';
import { once } from '../support/once.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { startApiServer, type Answer, type ApiServer } from './api-server.js';
import { base64, kubeconfigText, type KubeconfigParts } from './kubeconfig-text.js';

/** Authorities, servers and clients of a test, all of which end with it. */
export interface ApiSetting {
  readonly directory: TemporaryDirectory;
  readonly authority: Authority;
  /** For 127.0.0.1 and kcp.example. */
  readonly serving: IssuedCertificate;
  /** Whose client certificates the servers accept, and which vouches for them. */
  readonly trusted: { readonly 'certificate-authority-data': string };
  startServer(answer?: Answer, serving?: IssuedCertificate): Promise<ApiServer>;
  /** A client of a kubeconfig that is written for it. */
  open(parts: KubeconfigParts, options?: Omit<OpenApiClientOptions, 'kubeconfig'>): Promise<ApiClient>;
}

const pki = once(async () => {
  const authority = await createAuthority({ commonName: 'ca' });
  const serving = await authority.issue({
    commonName: 'kcp',
    usage: 'serverAuth',
    dnsNames: ['kcp.example'],
    ipAddresses: ['127.0.0.1'],
  });
  return { authority, serving };
});

export async function createApiSetting(): Promise<ApiSetting> {
  const directory = temporaryDirectory();
  const { authority, serving } = await pki();
  let clients = 0;
  return {
    directory,
    authority,
    serving,
    trusted: { 'certificate-authority-data': base64(authority.certificatePem) },
    startServer(answer, certificate = serving) {
      const clientAuthorities = authority.certificatePem;
      return startApiServer(certificate, { clientAuthorities, ...(answer === undefined ? {} : { answer }) });
    },
    async open(parts, options = {}) {
      clients += 1;
      const kubeconfig = directory.write(`kubeconfig-${clients}`, kubeconfigText(parts));
      return closedAtEnd(await openApiClient({ kubeconfig, ...options }));
    },
  };
}

/** Asks for `/version`. */
export async function ask(client: ApiClient): Promise<number> {
  const response = await client.send({ method: 'GET', path: '/version' });
  await readText(response);
  return response.status;
}

/** All of an answer's body. */
export async function readText({ body }: ApiResponse): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Why asking for `/version` fails, behind the server's name. */
export async function failure(client: ApiClient): Promise<string> {
  const error: unknown = await ask(client).then(
    (status) => new Error(`answered ${status}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { readonly code?: unknown };
  return `${String(code)} ${error.message.replace(`${client.server}: `, '')}`;
}

/** The error that a request, or the reading of its answer, ends with. */
export async function rejection(work: Promise<unknown>): Promise<ApiConnectionError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiConnectionError);
  return error as ApiConnectionError;
}

/** Waits until a server has this many connections open. */
export async function expectOpenConnections(server: ApiServer, count: number): Promise<void> {
  await expect.poll(() => server.open.size).toBe(count);
}
