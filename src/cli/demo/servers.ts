import type { StartOptions } from '../../options/start-topics.js';
import type { Opened } from '../../options/starting.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocument } from '../../documents/documents.js';
import { Field } from '../../documents/field.js';
import { sourceOf } from '../../documents/source.js';
import { packageRoot } from '../../own-package.js';
import { replicateAnnotation } from '../../policy/sources/kubernetes-object.js';
import type { AuditSink } from '../../audit/audit-event.js';
import type { RunningServer } from '../../server/start-server.js';
import { bindingOf, subjectOf } from '../manifests/monitors.js';
import { renderManifests } from '../manifests/printed-manifest.js';
import { start } from '../start.js';
import type { Credentials, DemoFolder } from './demo-credentials.js';

export const serverNames = { root: 'root shard', second: 'second shard', cache: 'cache server' } as const;

export type ServerRole = keyof typeof serverNames;

export type DemoUrls = Readonly<Record<ServerRole, string>>;

/** Starts all three like `kcp-metrics-filter start`, on free ports of 127.0.0.1. */
export async function startServers(
  { files }: Credentials,
  folder: DemoFolder,
  opened: Opened,
  onAuditEvent: AuditSink,
): Promise<DemoUrls> {
  const { tokenAuthFile, ...certificates } = files;
  const { root, second, workspaces } = writePolicy(folder);
  const running: RunningServer[] = [];
  opened.add({
    close: async () => {
      await Promise.all(running.map((server) => server.close()));
    },
  });
  const startOne = async (options: StartOptions): Promise<string> => {
    // Lower levels would mix log lines into the table.
    const common = { ...certificates, bindAddress: '127.0.0.1', securePort: 0, logLevel: 'error' } as const;
    const server = await start({ ...common, ...options }, { onAuditEvent });
    running.push(server);
    return server.url;
  };
  const ofWorkspaces = { workspaceMetrics: true, workspaceRbacDir: workspaces };
  return {
    root: await startOne({ tokenAuthFile, rbacDir: root }),
    second: await startOne({ tokenAuthFile, rbacDir: second, ...ofWorkspaces }),
    cache: await startOne({ mode: 'cache-server' }),
  };
}

const packagedManifests = new URL('rbac/', packageRoot);

/** Built into every server. */
const builtIn = 'bootstrap-policy.yaml';

/** Grants the same as the packaged ones, but lacks their annotation. */
const plainBinding = renderManifests({
  comment: [],
  documents: [
    bindingOf({ name: 'metrics-reader:user:bob' }, 'system:kcp:metrics-reader', [
      subjectOf({ kind: 'User', name: 'bob' }),
    ]),
  ],
});

/** As kcp binds whoever creates a workspace. */
function workspaceOf(name: string, owner: string): string {
  const cluster = { 'kcp.io/cluster': `1${name}` };
  const metadata = { name: 'cluster', annotations: { ...cluster, 'kcp.io/path': `root:${name}` } };
  const admin = { name: 'workspace-admin', annotations: cluster };
  const documents = [
    { apiVersion: 'core.kcp.io/v1alpha1', kind: 'LogicalCluster', metadata },
    bindingOf(admin, 'cluster-admin', [subjectOf({ kind: 'User', name: owner })]),
  ];
  return renderManifests({ comment: [], documents });
}

/**
 * Writes the policy directories: for the root shard the package's manifests and a binding of bob's; for the second what
 * kcp would replicate of them, and its workspaces.
 */
function writePolicy(folder: DemoFolder) {
  const manifests = new Map([['plain-binding.yaml', plainBinding]]);
  for (const name of readdirSync(packagedManifests)) {
    if (!name.endsWith('.yaml') || name === builtIn) continue;
    manifests.set(name, readFileSync(new URL(name, packagedManifests), 'utf8'));
  }
  for (const [name, text] of manifests) {
    folder.write(join('root-shard-rbac', name), text);
    const manifest = Field.root(readDocument(text, 'manifest', sourceOf('rbac', Error)));
    const isReplicated = !manifest.get('metadata').get('annotations').get(replicateAnnotation).isAbsent;
    if (isReplicated) folder.write(join('second-shard-rbac', name), text);
  }
  folder.write('workspaces/shop.yaml', workspaceOf('shop', 'alice'));
  folder.write('workspaces/mail.yaml', workspaceOf('mail', 'bob'));
  const pathOf = (name: string): string => join(folder.path, name);
  return {
    root: pathOf('root-shard-rbac'),
    second: pathOf('second-shard-rbac'),
    workspaces: pathOf('workspaces'),
  };
}
