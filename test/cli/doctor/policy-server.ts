import { chmodSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authority } from '../../support/certificate-authority.js';
import type { ClusterRoleBinding, PolicyObject } from '../../../src/policy/objects.js';
import { startApiServer, type ApiServer } from '../../kubernetes/api-server.js';
import { base64, kubeconfigText } from '../../kubernetes/kubeconfig-text.js';
import { localAuthority } from '../../support/local-authority.js';
import type { TemporaryDirectory } from '../../support/temporary-directory.js';

type Verb = 'list' | 'watch';
/** A status; `silence` never answers, `garbage` is no API. */
export type Answer = number | 'silence' | 'garbage';

/** An API server with a policy, on TLS, that lists and watches as far as its script lets it. */
export interface PolicyServer {
  readonly url: string;
  /** Whose certificate it serves with. */
  readonly authority: Authority;
  /** What is answered instead; undefined lets it. */
  script: (verb: Verb, resource: string, path: string) => Answer | undefined;
  /** What was asked for, in order: `list clusterroles`. */
  readonly asked: readonly string[];
  /** Writes a kubeconfig for it into the directory; returns the file. */
  kubeconfig(options?: KubeconfigOptions): string;
  close(): Promise<void>;
}

export interface KubeconfigOptions {
  readonly name?: string;
  /** Path of the server. Default: `/clusters/root`. */
  readonly path?: string;
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
}

/** What a kubeconfig of these tests proves itself with, and what must not be told. */
export const secretToken = 'secret-token-of-the-reader';

export async function startPolicyServer(
  directory: TemporaryDirectory,
  objects: readonly PolicyObject[],
): Promise<PolicyServer> {
  const { authority, serving } = await localAuthority();
  const asked: string[] = [];
  const server: ApiServer = await startApiServer(serving, {
    clientAuthorities: authority.certificatePem,
    answer: (request, response) => {
      const { resource, verb, query } = questionOf(request);
      asked.push(`${verb} ${resource}`);
      const scripted = policyServer.script(verb, resource, request.url ?? '');
      if (scripted === undefined) answer({ objects, resource, verb, query }, response);
      else refuse(scripted, `${verb} ${resource}`, response);
    },
  });
  const policyServer: PolicyServer = {
    url: server.url,
    authority,
    script: () => undefined,
    asked,
    kubeconfig({
      name = 'kubeconfig',
      path = '/clusters/root',
      cluster,
      user = { token: secretToken },
    } = {}) {
      const file = directory.write(
        name,
        kubeconfigText({
          cluster: {
            server: `${server.url}${path}`,
            ...(cluster ?? { 'certificate-authority-data': base64(authority.certificatePem) }),
          },
          user,
        }),
      );
      chmodSync(file, 0o600);
      return file;
    },
    close: () => server.close(),
  };
  return policyServer;
}

interface Question {
  readonly verb: Verb;
  readonly resource: string;
  readonly query: URLSearchParams;
}

function questionOf({ url = '' }: IncomingMessage): Question {
  const { pathname, searchParams: query } = new URL(url, 'https://localhost');
  const [, resource = 'nothing'] = /\/apis\/rbac\.authorization\.k8s\.io\/v1\/(\w+)$/.exec(pathname) ?? [];
  return { verb: query.get('watch') === 'true' ? 'watch' : 'list', resource, query };
}

function refuse(scripted: Answer, what: string, response: ServerResponse): void {
  if (scripted === 'silence') return;
  if (scripted === 'garbage') {
    response.end('<html>');
    return;
  }
  response.writeHead(scripted, { 'Content-Type': 'application/json' });
  const message = `User "reader" cannot ${what}`;
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message, code: scripted }));
}

function answer(
  { objects, resource, verb, query }: Question & { readonly objects: readonly PolicyObject[] },
  response: ServerResponse,
): void {
  const kind = resource === 'clusterroles' ? 'ClusterRole' : 'ClusterRoleBinding';
  const items = objects.filter((object) => object.kind === kind).map(sent);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  if (verb === 'list') {
    const limit = Number(query.get('limit') ?? items.length);
    response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items: items.slice(0, limit) }));
    return;
  }
  if (query.get('sendInitialEvents') !== 'true') return;
  for (const object of items) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  const object = { metadata: { resourceVersion: '7', annotations } };
  response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
}

function sent(object: PolicyObject): object {
  const metadata = { name: object.name, uid: `uid-${object.name}`, resourceVersion: '7' };
  if (object.kind === 'LogicalCluster') throw new TypeError('not of one workspace');
  if (object.kind === 'ClusterRole') return { metadata, rules: object.rules };
  const apiGroup = 'rbac.authorization.k8s.io';
  return {
    metadata: { ...metadata, annotations: annotationsOf(object) },
    roleRef: { apiGroup, kind: 'ClusterRole', name: object.role },
    subjects: object.subjects,
  };
}

function annotationsOf({ replicated }: ClusterRoleBinding): object {
  return replicated ? { 'internal.kcp.io/replicate': 'true' } : {};
}
