// kcp's servers as control planes: tried with kcp's main of August 2026. Where a flag has changed, start() says so with the
// end of the server's log.
import { join } from 'node:path';
import { createControlPlanePki, type ControlPlanePki } from './control-plane-pki.js';
import { ownPlace, startControlPlane, type ControlPlane } from './control-plane.js';
import { freePort } from './free-port.js';
import { servingArgs, type ApiServerPlace, type ApiServerProgram } from './kube-apiserver.js';
import { writeKubeconfig } from './kubeconfig.js';

/** `kcp start` as the root shard. Its policy is that of the root workspace. */
export function kcpRootShard(binary: string, flags: readonly string[] = []): ApiServerProgram {
  return {
    name: 'kcp root shard',
    binary,
    basePath: '/clusters/root',
    args: (place) => [...shardArgs(place, 'root'), ...flags],
  };
}

/** `kcp start` as another shard. It has no root workspace, so its own API is that of its `system:admin`. */
function kcpSecondShard(binary: string, flags: readonly string[]): ApiServerProgram {
  return {
    name: 'kcp second shard',
    binary,
    basePath: '/clusters/system:admin',
    args: (place) => [...shardArgs(place, 'second'), ...flags],
  };
}

/** A cache server on its own. What shards replicate, a suite writes itself. It knows no tokens. */
export function kcpCacheServer(binary: string): ApiServerProgram {
  return {
    name: 'kcp cache server',
    binary,
    basePath: '/services/cache/shards/root/clusters/root',
    args: (place) => [`--root-directory=${join(place.directory, 'cache-server')}`, ...servingArgs(place)],
  };
}

/**
 * A cache server and two shards that replicate through it, all of one authority. There is no front proxy: each shard takes
 * the other for it. So what is scheduled on the second shard, below a workspace of root, is what becomes ready.
 */
export interface Kcp {
  readonly cacheServer: ControlPlane;
  readonly rootShard: ControlPlane;
  readonly secondShard: ControlPlane;
  stop(): Promise<void>;
}

/** @param kcp Path of kcp's binary. @param cacheServer Path of the cache server's. */
export async function startKcp(kcp: string, cacheServer: string): Promise<Kcp> {
  const place = ownPlace();
  const started: ControlPlane[] = [];
  const stop = async (): Promise<void> => {
    for (const controlPlane of started) await controlPlane.stop();
    place.remove();
  };
  try {
    const pki = await createControlPlanePki(place.path);
    const ports = { cache: await freePort(), root: await freePort(), second: await freePort() };
    const kubeconfigs = new ShardKubeconfigs(place.path, pki);
    const start = async (program: ApiServerProgram, port: number): Promise<ControlPlane> => {
      const controlPlane = await startControlPlane({ program, port, pki });
      started.unshift(controlPlane);
      return controlPlane;
    };
    const cacheKubeconfig = await kubeconfigs.write('cache', ports.cache, 'system:masters');
    const flagsOf = async (shard: 'root' | 'second'): Promise<readonly string[]> => {
      const external = `external-of-${shard}`;
      const others = ports[shard === 'root' ? 'second' : 'root'];
      const [admin, externalAdmin] = [
        await kubeconfigs.write('logical-cluster-admin', ports.root, 'system:kcp:logical-cluster-admin'),
        await kubeconfigs.write(external, others, 'system:kcp:external-logical-cluster-admin'),
      ];
      return [
        `--cache-kubeconfig=${cacheKubeconfig}`,
        `--logical-cluster-admin-kubeconfig=${admin}`,
        `--external-logical-cluster-admin-kubeconfig=${externalAdmin}`,
      ];
    };
    const cache = await start(kcpCacheServer(cacheServer), ports.cache);
    const rootShard = await start(kcpRootShard(kcp, await flagsOf('root')), ports.root);
    const rootKubeconfig = await kubeconfigs.write('root-shard', ports.root, 'system:masters');
    const secondShard = await start(
      kcpSecondShard(kcp, [...(await flagsOf('second')), `--root-shard-kubeconfig-file=${rootKubeconfig}`]),
      ports.second,
    );
    return { cacheServer: cache, rootShard, secondShard, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** By which shards reach one another and the cache server. */
class ShardKubeconfigs {
  constructor(
    private readonly directory: string,
    private readonly pki: ControlPlanePki,
  ) {}

  /** Returns the file. */
  async write(name: string, port: number, group: string): Promise<string> {
    const file = join(this.directory, `${name}.kubeconfig`);
    writeKubeconfig(file, {
      server: `https://127.0.0.1:${port}`,
      certificateAuthority: { file: this.pki.files.servingCa },
      user: { certificate: await this.pki.issueClient(`kcp-${name}`, [group]) },
    });
    return file;
  }
}

function shardArgs(place: ApiServerPlace, shardName: string): readonly string[] {
  const url = `https://127.0.0.1:${place.port}`;
  return [
    'start',
    `--root-directory=${join(place.directory, 'kcp')}`,
    ...servingArgs(place),
    `--token-auth-file=${place.files.tokens}`,
    // Asked to end, it gives its watches two seconds.
    '--shutdown-send-retry-after=true',
    `--shard-name=${shardName}`,
    `--shard-base-url=${url}`,
    `--shard-external-url=${url}`,
    `--shard-virtual-workspace-ca-file=${place.files.servingCa}`,
    // How soon the number of a workspace's objects is published, where it has a limit.
    '--logical-cluster-object-count-scan-interval=1s',
  ];
}
