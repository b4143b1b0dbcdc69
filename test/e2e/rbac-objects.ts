import type { Answer, Method } from './api-client.js';

export interface ClusterRole {
  readonly name: string;
  readonly rules: readonly {
    readonly verbs: readonly string[];
    readonly nonResourceURLs?: readonly string[];
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
  }[];
}

export interface ClusterRoleBinding {
  readonly name: string;
  /** Name of a ClusterRole. An API server refuses to change it: delete the binding and create it anew. */
  readonly role: string;
  readonly subjects: readonly Subject[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export type Subject =
  | { readonly kind: 'User' | 'Group'; readonly name: string }
  | { readonly kind: 'ServiceAccount'; readonly namespace: string; readonly name: string };

type Send = (method: Method, path: string, body?: unknown) => Promise<Answer>;

const group = 'rbac.authorization.k8s.io';

/** Objects of one kind on an API server. Every method throws when the server refuses. */
export class RbacObjects<Spec extends { readonly name: string }> {
  constructor(
    private readonly send: Send,
    /** From the API's root, for requests and watches of one's own. */
    readonly path: string,
    private readonly manifest: (spec: Spec, resourceVersion?: string) => object,
  ) {}

  /** Resolves to the object's resourceVersion. */
  create(spec: Spec): Promise<string> {
    return this.#send('POST', this.path, this.manifest(spec));
  }

  /**
   * Whatever is there under this name. Resolves to the object's resourceVersion. kcp's cache server creates nothing on PUT,
   * and wants to know what is replaced.
   */
  async replace(spec: Spec): Promise<string> {
    const path = `${this.path}/${encodeURIComponent(spec.name)}`;
    const { status, body } = await this.send('GET', path);
    if (status === 404) return this.create(spec);
    const { resourceVersion } = (body as { metadata: { resourceVersion: string } }).metadata;
    return this.#send('PUT', path, this.manifest(spec, resourceVersion));
  }

  async delete(name: string): Promise<void> {
    await this.#send('DELETE', `${this.path}/${encodeURIComponent(name)}`);
  }

  async names(): Promise<readonly string[]> {
    const { body } = await this.send('GET', this.path);
    return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
  }

  async #send(method: Method, path: string, manifest?: object): Promise<string> {
    const { status, body } = await this.send(method, path, manifest);
    const { message = '', metadata } = body as { message?: string; metadata?: { resourceVersion?: string } };
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${message}`);
    return metadata?.resourceVersion ?? '';
  }
}

export function clusterRoles(send: Send): RbacObjects<ClusterRole> {
  return new RbacObjects(send, `/apis/${group}/v1/clusterroles`, ({ name, rules }, resourceVersion) => ({
    apiVersion: `${group}/v1`,
    kind: 'ClusterRole',
    metadata: { name, resourceVersion },
    rules,
  }));
}

export function clusterRoleBindings(send: Send): RbacObjects<ClusterRoleBinding> {
  return new RbacObjects(send, `/apis/${group}/v1/clusterrolebindings`, (spec, resourceVersion) => ({
    apiVersion: `${group}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: {
      name: spec.name,
      resourceVersion,
      ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: spec.role },
    subjects: spec.subjects.map((subject) =>
      subject.kind === 'ServiceAccount' ? subject : { ...subject, apiGroup: group },
    ),
  }));
}
