// kcp's servers as control planes: tried with kcp's main of August 2026. Where a flag has changed, start() says so with the
// end of the server's log.
import { join } from 'node:path';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { servingArgs, type ApiServerPlace, type ApiServerProgram } from './kube-apiserver.js';

export interface ShardOptions {
  /** Kubeconfig of a cache server, without a path in its URL; default: the one inside a root shard. */
  readonly cacheKubeconfig?: string;
}

/** `kcp start` as the root shard. Its policy is that of the root workspace. */
export function kcpRootShard(binary: string, { cacheKubeconfig }: ShardOptions = {}): ApiServerProgram {
  return {
    name: 'kcp root shard',
    binary,
    basePath: '/clusters/root',
    args: (place) => [
      ...shardArgs(place, 'root'),
      ...(cacheKubeconfig === undefined ? [] : [`--cache-kubeconfig=${cacheKubeconfig}`]),
    ],
  };
}

/** `kcp start` as another shard. It has no root workspace, so its own API is that of its `system:admin`. */
export function kcpSecondShard(
  binary: string,
  options: Required<ShardOptions> & { readonly rootKubeconfig: string },
): ApiServerProgram {
  return {
    name: 'kcp second shard',
    binary,
    basePath: '/clusters/system:admin',
    args: (place) => [
      ...shardArgs(place, 'second'),
      `--cache-kubeconfig=${options.cacheKubeconfig}`,
      `--root-shard-kubeconfig-file=${options.rootKubeconfig}`,
    ],
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

/** A cache server and two shards that replicate through it. There is no front proxy. */
export interface Kcp {
  readonly cacheServer: ControlPlane;
  readonly rootShard: ControlPlane;
  readonly secondShard: ControlPlane;
  stop(): Promise<void>;
}

/** @param kcp Path of kcp's binary. @param cacheServer Path of the cache server's. */
export async function startKcp(kcp: string, cacheServer: string): Promise<Kcp> {
  const started: ControlPlane[] = [];
  const start = async (program: ApiServerProgram): Promise<ControlPlane> => {
    const controlPlane = await startControlPlane({ program });
    started.unshift(controlPlane);
    return controlPlane;
  };
  const stop = async (): Promise<void> => {
    for (const controlPlane of started) await controlPlane.stop();
  };
  try {
    const cache = await start(kcpCacheServer(cacheServer));
    const cacheKubeconfig = await shardKubeconfig(cache);
    const rootShard = await start(kcpRootShard(kcp, { cacheKubeconfig }));
    const rootKubeconfig = await shardKubeconfig(rootShard);
    const secondShard = await start(kcpSecondShard(kcp, { cacheKubeconfig, rootKubeconfig }));
    return { cacheServer: cache, rootShard, secondShard, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** For a shard to do as it likes at another server. */
async function shardKubeconfig(controlPlane: ControlPlane): Promise<string> {
  return controlPlane.kubeconfigFor({
    user: { certificate: await controlPlane.issueClient('kcp-shard', ['system:masters']) },
    file: join(controlPlane.directory, 'shard.kubeconfig'),
    basePath: '',
  });
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
  ];
}
