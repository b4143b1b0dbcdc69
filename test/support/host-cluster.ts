import type { ServerResponse } from 'node:http';
import { kubeconfigText } from '../kubernetes/kubeconfig-text.js';
import { startApiServer, type ApiServer } from '../kubernetes/api-server.js';
import { localAuthority } from './local-authority.js';
import { kubeletBodies, kubeletNode } from './kubelet-bodies.js';

interface SentPod {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string };
}

const mark = 'vcluster.loft.sh/';

export interface PodOnHost {
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
  readonly node?: string;
  /** The virtual cluster whose it is. */
  readonly of?: string;
  /** Namespace and name there. */
  readonly is?: readonly [namespace: string, name: string];
  readonly annotations?: Readonly<Record<string, string>>;
}

export function podObject(pod: PodOnHost): SentPod {
  const { namespace = 'team-a', name, uid = `uid-of-${name}`, node = kubeletNode, of = 'dev', is } = pod;
  const named = is && { [`${mark}object-namespace`]: is[0], [`${mark}object-name`]: is[1] };
  return {
    metadata: {
      namespace,
      name,
      uid,
      resourceVersion: '0',
      labels: { [`${mark}managed-by`]: of },
      annotations: { ...named, ...pod.annotations },
    },
    spec: { nodeName: node },
  };
}

interface Watcher {
  readonly response: ServerResponse;
  readonly sees: (pod: SentPod) => boolean;
}

/** Stands in for the API server of a host cluster: lists and watches pods, and asks one kubelet. */
export class HostCluster {
  /** Answers every request with this status instead. */
  failsWith: number | undefined;
  readonly kubeletBodies: Record<string, string> = { ...kubeletBodies };
  readonly #pods = new Map<string, SentPod>();
  readonly #watchers = new Set<Watcher>();
  #server: ApiServer | undefined;
  #authority = '';
  #version = 10;

  async start(): Promise<this> {
    const { authority, serving } = await localAuthority();
    this.#authority = authority.certificatePem;
    this.#server = await startApiServer(serving, {
      answer: (request, response) => {
        const url = new URL(request.url ?? '', 'https://host');
        if (this.failsWith !== undefined) this.#answer(response, this.failsWith, { kind: 'Status' });
        else if (url.pathname === '/readyz') response.end('ok');
        else if (url.pathname.endsWith('/pods')) this.#list(url, response);
        else this.#kubelet(url.pathname, response);
      },
    });
    return this;
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  get requests() {
    return this.#server?.requests ?? [];
  }

  get kubeconfig(): string {
    const data = Buffer.from(this.#authority).toString('base64');
    return kubeconfigText({
      cluster: { server: this.url, 'certificate-authority-data': data },
      user: { token: 'token-of-the-filter' },
    });
  }

  set(pod: PodOnHost): void {
    const object = podObject(pod);
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const before = this.#pods.get(key);
    object.metadata.resourceVersion = String((this.#version += 1));
    this.#pods.set(key, object);
    for (const { response, sees } of this.#watchers) {
      const saw = before !== undefined && sees(before);
      if (!sees(object) && !saw) continue;
      send(response, sees(object) ? (saw ? 'MODIFIED' : 'ADDED') : 'DELETED', object);
    }
  }

  delete(name: string, namespace = 'team-a'): void {
    const object = this.#pods.get(`${namespace}/${name}`);
    if (object === undefined) throw new Error(`no pod ${namespace}/${name}`);
    this.#pods.delete(`${namespace}/${name}`);
    object.metadata.resourceVersion = String((this.#version += 1));
    for (const { response, sees } of this.#watchers) if (sees(object)) send(response, 'DELETED', object);
  }

  /** Ends every watch with a Status. */
  expire(): void {
    for (const watcher of [...this.#watchers]) {
      this.#watchers.delete(watcher);
      watcher.response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410 } })}\n`);
    }
  }

  /** Every request fails from now on, and what is under way breaks off. */
  fail(status = 500): void {
    this.failsWith = status;
    for (const { response } of [...this.#watchers]) response.destroy();
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #list({ pathname, searchParams }: URL, response: ServerResponse): void {
    const namespace = /^\/api\/v1\/namespaces\/([^/]+)\/pods$/.exec(pathname)?.[1];
    const [label = '', value] = (searchParams.get('labelSelector') ?? '').split('=');
    const sees = ({ metadata }: SentPod): boolean =>
      (namespace === undefined || metadata.namespace === namespace) && metadata.labels?.[label] === value;
    const items = [...this.#pods.values()].filter(sees);
    const resourceVersion = String(this.#version);
    if (searchParams.get('watch') !== 'true') {
      this.#answer(response, 200, { kind: 'PodList', metadata: { resourceVersion }, items });
      return;
    }
    const watcher = { response, sees };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    if (searchParams.get('sendInitialEvents') !== 'true') return;
    for (const item of items) send(response, 'ADDED', item);
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    send(response, 'BOOKMARK', { kind: 'Pod', metadata: { resourceVersion, annotations } });
  }

  #kubelet(path: string, response: ServerResponse): void {
    const [, node = '', kubeletPath = ''] = /^\/api\/v1\/nodes\/([^/]+)\/proxy(.*)$/.exec(path) ?? [];
    const body = node === kubeletNode ? this.kubeletBodies[kubeletPath] : undefined;
    if (body === undefined) this.#answer(response, 404, { kind: 'Status', reason: 'NotFound' });
    else {
      const type = kubeletPath.startsWith('/metrics')
        ? 'text/plain; version=0.0.4; charset=utf-8'
        : 'application/json';
      response.writeHead(200, { 'Content-Type': type }).end(body);
    }
  }

  #answer(response: ServerResponse, status: number, body: object): void {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  }
}

function send(response: ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}
