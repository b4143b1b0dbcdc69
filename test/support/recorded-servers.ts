import { createRecordedPki, type RecordedPki } from './recorded-pki.js';
import type { StartedServer } from './started-server.js';
import { temporaryDirectory } from './temporary-directory.js';

/** User `prometheus` and Group `monitoring` may scrape: the policy of paths.json and identities.json. */
export const recordedBinding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: pmr, annotations: { internal.kcp.io/replicate: "true" } }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:kcp:metrics-reader" }
subjects:
  - { kind: User, apiGroup: rbac.authorization.k8s.io, name: prometheus }
  - { kind: Group, apiGroup: rbac.authorization.k8s.io, name: monitoring }
`;

export interface RecordedServers<Server extends StartedServer = StartedServer> {
  readonly shard: Server;
  readonly cacheServer: Server;
  readonly pki: RecordedPki;
  stop(): Promise<void>;
}

type Start<Server extends StartedServer> = (args: readonly string[]) => Promise<Server>;

/** A shard and a cache server, configured as the recorded ones were, by `startCli` or `startProcess`. */
export async function startRecordedServers<Server extends StartedServer>(
  start: Start<Server>,
  tokens: string,
): Promise<RecordedServers<Server>> {
  const directory = temporaryDirectory();
  const policy = temporaryDirectory();
  policy.write('binding.yaml', recordedBinding);
  const pki = await createRecordedPki(directory);
  const [shard, cacheServer] = await Promise.all([
    start([
      '--mode=shard',
      ...pki.flags,
      `--token-auth-file=${directory.write('tokens.csv', tokens)}`,
      `--rbac-dir=${policy.path}`,
    ]),
    start(['--mode=cache-server', ...pki.serving, `--client-ca-file=${pki.clientCaFile}`]),
  ]);
  return {
    shard,
    cacheServer,
    pki,
    async stop() {
      await Promise.all([shard.stop(), cacheServer.stop()]);
    },
  };
}
