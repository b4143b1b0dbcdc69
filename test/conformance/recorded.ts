import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { RawHeaders } from '../support/raw-tls.js';

/** What a running kcp answered; `data/` says where it comes from. */
export function recorded(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8')) as unknown;
}

export interface RecordedPolicy {
  readonly clusterRoles: readonly { readonly name: string; readonly rules?: readonly object[] }[];
  readonly clusterRoleBindings: readonly {
    readonly name: string;
    readonly roleRef: object;
    readonly subjects?: readonly object[];
  }[];
}

/** A recorded policy as the manifests an operator would keep. */
export function manifestOf({ clusterRoles, clusterRoleBindings }: RecordedPolicy): string {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const items = [
    ...clusterRoles.map(({ name, rules = [] }) => ({
      kind: 'ClusterRole',
      apiVersion,
      metadata: { name },
      rules,
    })),
    ...clusterRoleBindings.map(({ name, roleRef, subjects = [] }) => ({
      kind: 'ClusterRoleBinding',
      apiVersion,
      metadata: { name },
      roleRef,
      subjects,
    })),
  ];
  return JSON.stringify({ kind: 'List', apiVersion: 'v1', items });
}

interface RecordedWorkspace extends RecordedPolicy {
  readonly cluster: string;
  readonly requiredGroups?: string;
}

export interface WorkspaceRow {
  readonly cluster: string;
  readonly user: {
    readonly name: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly verb: string;
  readonly path: string;
  /** What kcp said. */
  readonly kcp: boolean;
  /** What kcp said of verb `access` on `/`. */
  readonly access: boolean;
}

export interface WorkspacePhase {
  readonly name: string;
  readonly workspaces: readonly RecordedWorkspace[];
  readonly requests: readonly WorkspaceRow[];
}

interface RecordedWorkspaces {
  readonly logicalClusters: readonly { readonly cluster: string; readonly path: string }[];
  readonly initial: Readonly<Record<string, RecordedPolicy>>;
  readonly phases: readonly WorkspacePhase[];
}

let workspaces: RecordedWorkspaces | undefined;

/** What a running kcp answered inside workspaces. */
export function recordedWorkspaces(): RecordedWorkspaces {
  const file = new URL('data/workspace-decisions.json.gz', import.meta.url);
  workspaces ??= JSON.parse(gunzipSync(readFileSync(file)).toString()) as RecordedWorkspaces;
  return workspaces;
}

export function identityOf({ user: { name, groups = [], extra = {} } }: WorkspaceRow) {
  return { name, groups, extra };
}

/** The policies of a phase's workspaces, with what each workspace brings. */
export function workspacesManifestOf(phase: WorkspacePhase): string {
  const { logicalClusters, initial } = recordedWorkspaces();
  const items = phase.workspaces.flatMap(({ cluster, requiredGroups, clusterRoles, clusterRoleBindings }) => {
    const annotations = { 'kcp.io/cluster': cluster };
    const brought = initial[cluster] ?? { clusterRoles: [], clusterRoleBindings: [] };
    const own = JSON.parse(
      manifestOf({
        clusterRoles: [...brought.clusterRoles, ...clusterRoles],
        clusterRoleBindings: [...brought.clusterRoleBindings, ...clusterRoleBindings],
      }),
    ) as { readonly items: readonly { readonly metadata: object }[] };
    const path = logicalClusters.find((known) => known.cluster === cluster)?.path;
    const required = { 'authorization.kcp.io/required-groups': requiredGroups };
    return [
      {
        kind: 'LogicalCluster',
        apiVersion: 'core.kcp.io/v1alpha1',
        metadata: { name: 'cluster', annotations: { ...annotations, 'kcp.io/path': path, ...required } },
      },
      ...own.items.map((item) => ({ ...item, metadata: { ...item.metadata, annotations } })),
    ];
  });
  return JSON.stringify({ kind: 'List', apiVersion: 'v1', items });
}

export interface RecordedUser {
  readonly name: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** As a front proxy sends an identity. */
export function remoteHeaders({ name, groups = [], extra = {} }: RecordedUser): RawHeaders {
  const extras = Object.entries(extra).map(
    ([key, values]) => [`X-Remote-Extra-${encodeURIComponent(key)}`, values] as const,
  );
  return { 'X-Remote-User': name, 'X-Remote-Group': groups, ...Object.fromEntries(extras) };
}
