import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { ApiClient } from './api-client.js';
import type { ControlPlane } from './control-plane.js';

const rbac = 'apis/rbac.authorization.k8s.io/v1';
const readsMetrics = [
  { verbs: ['access'], nonResourceURLs: ['/'] },
  { verbs: ['get'], nonResourceURLs: ['/metrics'] },
];

/** The workspaces of one shard of kcp, and what their owners do there. */
export class ShardWorkspaces {
  static async of(shard: ControlPlane): Promise<ShardWorkspaces> {
    const clientOf = async (user: string, group: string): Promise<ApiClient> => {
      const certificate = await shard.issueClient(user, [group]);
      const authorities = [readFileSync(shard.certificateAuthority, 'utf8')];
      return new ApiClient(new URL(shard.url).origin, () => ({ authorities, certificate }));
    };
    const masters = await clientOf('masters', 'system:masters');
    return new ShardWorkspaces(shard, masters, await clientOf('kcp-admin', 'system:kcp:admin'));
  }

  private constructor(
    private readonly shard: ControlPlane,
    /** Below no workspace. */
    readonly masters: ApiClient,
    private readonly admin: ApiClient,
  ) {}

  /**
   * Resolves to its logical cluster when it is ready. Made by a user of system:kcp:admin: what system:masters makes has no
   * owner, and is never initialized. `onShard`: where it is scheduled.
   */
  async create(parent: string, name: string, onShard = 'root'): Promise<string> {
    const path = `/clusters/${parent}/apis/tenancy.kcp.io/v1alpha1/workspaces`;
    await this.post(path, {
      apiVersion: 'tenancy.kcp.io/v1alpha1',
      kind: 'Workspace',
      metadata: { name },
      spec: { location: { selector: { matchLabels: { name: onShard } } } },
    });
    return vi.waitFor(
      async () => {
        const { body } = await this.admin.request('GET', `${path}/${name}`);
        const { spec, status } = body as { spec: { cluster: string }; status?: { phase?: string } };
        expect(status?.phase).toBe('Ready');
        return spec.cluster;
      },
      { timeout: 60_000, interval: 200 },
    );
  }

  async remove(parent: string, name: string): Promise<void> {
    await this.#changed('DELETE', `/clusters/${parent}/apis/tenancy.kcp.io/v1alpha1/workspaces/${name}`);
  }

  /** A role that lets read the workspace's metrics, and an owner to whom it is bound. */
  async grantReading(workspace: string, owner: string): Promise<void> {
    await this.post(`/clusters/${workspace}/${rbac}/clusterroles`, {
      metadata: { name: 'reads-metrics' },
      rules: readsMetrics,
    });
    await this.bind(workspace, 'owner', user(owner));
  }

  async bind(workspace: string, name: string, subject: object): Promise<void> {
    await this.post(`/clusters/${workspace}/${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-metrics' },
      subjects: [subject],
    });
  }

  unbind(workspace: string, name: string): Promise<unknown> {
    return this.#changed('DELETE', `/clusters/${workspace}/${rbac}/clusterrolebindings/${name}`);
  }

  /** Of its LogicalCluster; `null` removes one. */
  async annotate(workspace: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const path = `/clusters/${workspace}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster`;
    await this.#changed('PATCH', path, { metadata: { annotations } });
  }

  /** As an administrator of kcp. */
  async post(path: string, object: object): Promise<unknown> {
    const client = path.endsWith('/workspaces') ? this.admin : this.masters;
    const { status, body } = await client.request('POST', path, object);
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Flags of a filter that serves the metrics of this shard's workspaces from those of the shard. */
  async flags(): Promise<readonly string[]> {
    const { directory, certificateAuthority } = this.shard;
    const certificate = await this.shard.issueClient('workspaces', ['system:masters']);
    const file = (name: string): string => join(directory, `workspaces.${name}`);
    const kubeconfig = this.shard.kubeconfigFor({
      user: { certificate },
      file: file('kubeconfig'),
      basePath: '',
    });
    writeFileSync(file('crt'), certificate.certificatePem);
    writeFileSync(file('key'), certificate.privateKeyPem);
    return [
      '--workspace-metrics',
      `--workspace-kubeconfig=${kubeconfig}`,
      '--workspace-metrics-max-age=1s',
      `--upstream=${new URL(this.shard.url).origin}/metrics`,
      `--upstream-ca-file=${certificateAuthority}`,
      `--upstream-client-cert-file=${file('crt')}`,
      `--upstream-client-key-file=${file('key')}`,
    ];
  }

  async #changed(method: 'PATCH' | 'DELETE', path: string, body?: object): Promise<void> {
    const { status } = await this.masters.request(method, path, body);
    if (status !== 200) throw new Error(`${method} ${path}: ${status}`);
  }
}

export function user(name: string): object {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name };
}
