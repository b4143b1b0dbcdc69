import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { atEnd } from './ending.js';
import { localAuthority } from './local-authority.js';
import { temporaryDirectory } from './temporary-directory.js';

/** An object as the API server sends it. */
export interface SentObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

export type Resource = 'clusterroles' | 'clusterrolebindings' | 'logicalclusters';

export interface Patch {
  readonly resource: Resource;
  readonly name: string;
  readonly contentType: string;
  readonly body: {
    readonly metadata: {
      readonly resourceVersion: string;
      readonly annotations: Readonly<Record<string, string | null>>;
    };
  };
}

export interface Fault {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A watch-list is a watch to RBAC. */
export type ReadVerb = 'list' | 'watch' | 'watch-list';

/** What a test does instead of what the server would; undefined lets it. */
export interface Script {
  /** Before a patch is looked at; may change objects, or answer it. */
  onPatch?: (patch: Patch) => Fault | 'hang up' | undefined;
  /** After each change, whoever made it. */
  onChange?: () => void;
  /** Instead of a list or a watch. */
  onRead?: (resource: Resource, verb: ReadVerb) => Fault | undefined;
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: SentObject;
}

interface Watcher {
  readonly resource: Resource;
  readonly response: ServerResponse;
}

const groups = '/apis/(?:rbac.authorization.k8s.io/v1|core.kcp.io/v1alpha1)';
const token = 'token-of-the-replicator';
const replicate = 'internal.kcp.io/replicate';

/**
 * Stands in for the API server of a root workspace, on TLS: lists, watches and patches both kinds as Kubernetes
 * does, as far as a replicator asks for it.
 */
export class RootServer {
  script: Script = {};
  readonly patches: Patch[] = [];
  /** Below which path it has its API. */
  base = '/clusters/root';
  readonly asked = new Set<ReadVerb | 'patch'>();
  /** What the readers' `Accept-Encoding` said. */
  readonly askedCodings = new Set<string>();
  /** Compresses watches although nobody asks for it, with a gzip member for each event. */
  compresses = false;
  /** A file to hand to `--root-kubeconfig`. */
  kubeconfig = '';
  readonly #directory = temporaryDirectory();
  readonly #objects = {
    clusterroles: new Map<string, SentObject>(),
    clusterrolebindings: new Map<string, SentObject>(),
    logicalclusters: new Map<string, SentObject>(),
  };
  readonly #watchers = new Set<Watcher>();
  readonly #sockets = new Set<Socket>();
  #events: readonly (WatchEvent & { readonly resource: Resource })[] = [];
  #resourceVersion = 100;
  #close: () => Promise<void> = () => Promise.resolve();

  static async start(serverPath = '/clusters/root'): Promise<RootServer> {
    const root = new RootServer();
    const { authority, serving } = await localAuthority();
    const { certificatePem: cert, privateKeyPem: key } = serving;
    const server = createServer({ cert, key }, (request, response) => {
      void root.#answer(request, response);
    });
    server.on('connection', (socket: Socket) => {
      root.#sockets.add(socket);
      socket.once('close', () => root.#sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    root.kubeconfig = root.#writeKubeconfig(
      `https://127.0.0.1:${port}${serverPath}`,
      authority.certificatePem,
    );
    root.#close = async () => {
      if (!server.listening) return;
      server.close();
      for (const socket of root.#sockets) socket.destroy();
      await once(server, 'close');
    };
    atEnd(() => root.stop());
    return root;
  }

  stop(): Promise<void> {
    return this.#close();
  }

  /** Creates or replaces an object; its uid stays, its resourceVersion is the server's next. */
  put(resource: Resource, object: SentObject): void {
    const { name, uid } = object.metadata;
    const key = this.#keyOf(name, object.metadata.annotations?.['kcp.io/cluster']);
    const before = this.#objects[resource].get(key);
    const metadata = { ...object.metadata, uid: before?.metadata.uid ?? uid, resourceVersion: this.#next() };
    const stored = { ...object, metadata };
    this.#objects[resource].set(key, stored);
    this.#emit(resource, { type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored });
  }

  /** `cluster`: in which logical cluster it stands, of several. */
  delete(resource: Resource, name: string, cluster?: string): void {
    const key = this.#keyOf(name, cluster);
    const before = this.#objects[resource].get(key);
    if (before === undefined) return;
    this.#objects[resource].delete(key);
    const metadata = { ...before.metadata, resourceVersion: this.#next() };
    this.#emit(resource, { type: 'DELETED', object: { ...before, metadata } });
  }

  /** All objects of a kind. */
  objects(resource: Resource): readonly SentObject[] {
    return [...this.#objects[resource].values()];
  }

  /** Of an object's annotation; undefined where it has none. */
  annotation(resource: Resource, name: string): string | undefined {
    return this.#objects[resource].get(name)?.metadata.annotations?.[replicate];
  }

  /** Sets or removes an object's annotation, as somebody else. */
  annotate(resource: Resource, name: string, value: string | undefined): void {
    const object = this.#objects[resource].get(name);
    if (object === undefined) throw new Error(`there is no ${resource} ${name}`);
    this.put(resource, withAnnotations(object, { [replicate]: value ?? null }));
  }

  /** Cuts every connection. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Names repeat where all logical clusters are served at once. */
  #keyOf(name: string, cluster = ''): string {
    return this.base.endsWith('*') ? `${cluster} ${name}` : name;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'https://root');
    const found = new RegExp(
      `^${this.base}${groups}/(clusterroles|clusterrolebindings|logicalclusters)(?:/([^/]+))?$`,
    ).exec(url.pathname);
    if (request.headers.authorization !== `Bearer ${token}` || found === null) {
      refuse(response, { status: found === null ? 404 : 401 });
      return;
    }
    const resource = found[1] as Resource;
    if (request.method === 'PATCH') {
      const json = JSON.parse(await textOf(request)) as Patch['body'];
      const contentType = request.headers['content-type'] ?? '';
      const name = decodeURIComponent(found[2] ?? '');
      this.#patch({ resource, name, contentType, body: json }, response);
      return;
    }
    const verb = readVerbOf(url.searchParams);
    this.asked.add(verb);
    this.askedCodings.add(request.headers['accept-encoding']?.toString() ?? '');
    const fault = this.script.onRead?.(resource, verb);
    if (fault !== undefined) refuse(response, fault);
    else if (verb === 'list') this.#list(resource, response);
    else this.#watch(resource, verb, Number(url.searchParams.get('resourceVersion')), response);
  }

  #list(resource: Resource, response: ServerResponse): void {
    const items = [...this.#objects[resource].values()];
    send(response, 200, { metadata: { resourceVersion: String(this.#resourceVersion) }, items });
  }

  #watch(resource: Resource, verb: ReadVerb, since: number, response: ServerResponse): void {
    if (this.compresses) response.setHeader('Content-Encoding', 'gzip');
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    if (verb === 'watch-list') {
      for (const object of this.#objects[resource].values()) write(response, { type: 'ADDED', object });
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      const metadata = { resourceVersion: String(this.#resourceVersion), annotations };
      write(response, { type: 'BOOKMARK', object: { metadata } });
    } else {
      for (const event of this.#events) {
        if (event.resource === resource && Number(event.object.metadata.resourceVersion) > since) {
          write(response, { type: event.type, object: event.object });
        }
      }
      // Servers send one from time to time, and this one at once: up to here, everything has been told.
      const metadata = { resourceVersion: String(this.#resourceVersion) };
      write(response, { type: 'BOOKMARK', object: { metadata } });
    }
    const watcher = { resource, response };
    this.#watchers.add(watcher);
    response.once('close', () => this.#watchers.delete(watcher));
  }

  #patch(patch: Patch, response: ServerResponse): void {
    this.asked.add('patch');
    this.patches.push(patch);
    const fault = this.script.onPatch?.(patch);
    if (fault === 'hang up') response.destroy();
    else if (fault === undefined) this.#merge(patch, response);
    else refuse(response, fault);
  }

  #merge({ resource, name, body }: Patch, response: ServerResponse): void {
    const object = this.#objects[resource].get(name);
    const { annotations, resourceVersion } = body.metadata;
    if (object === undefined || resourceVersion !== object.metadata.resourceVersion) {
      refuse(response, object === undefined ? notFound(resource, name) : { status: 409 });
      return;
    }
    this.put(resource, withAnnotations(object, annotations));
    send(response, 200, this.#objects[resource].get(name) ?? {});
  }

  #emit(resource: Resource, event: WatchEvent): void {
    this.#events = [...this.#events, { ...event, resource }];
    for (const watcher of this.#watchers) {
      if (watcher.resource === resource) write(watcher.response, event);
    }
    this.script.onChange?.();
  }

  #next(): string {
    this.#resourceVersion += 1;
    return String(this.#resourceVersion);
  }

  #writeKubeconfig(server: string, authority: string): string {
    const data = Buffer.from(authority).toString('base64');
    return this.#directory.write(
      'kubeconfig',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'root',
        clusters: [{ name: 'root', cluster: { server, 'certificate-authority-data': data } }],
        users: [{ name: 'replicator', user: { token } }],
        contexts: [{ name: 'root', context: { cluster: 'root', user: 'replicator' } }],
      }),
    );
  }
}

function readVerbOf(query: URLSearchParams): ReadVerb {
  if (query.get('watch') !== 'true') return 'list';
  return query.get('sendInitialEvents') === 'true' ? 'watch-list' : 'watch';
}

/** What an API server says of an object that is not there. */
export function notFound(resource: Resource, name: string): Fault {
  const message = `${resource}.rbac.authorization.k8s.io "${name}" not found`;
  const details = { name, group: 'rbac.authorization.k8s.io', kind: resource };
  return { status: 404, body: { kind: 'Status', message, reason: 'NotFound', details, code: 404 } };
}

function withAnnotations(object: SentObject, changes: Readonly<Record<string, string | null>>): SentObject {
  const annotations = Object.entries({ ...object.metadata.annotations, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return { ...object, metadata: { ...object.metadata, annotations: Object.fromEntries(annotations) } };
}

function refuse(response: ServerResponse, { status, body, headers = {} }: Fault): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  send(response, status, body ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

function write(response: ServerResponse, event: object): void {
  const line = `${JSON.stringify(event)}\n`;
  response.write(response.hasHeader('Content-Encoding') ? gzipSync(line) : line);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
