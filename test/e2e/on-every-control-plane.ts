import { afterAll, describe } from 'vitest';
import { cacheServerBinary, isSkipped, kcpBinary, missing } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { kcpCacheServer, kcpRootShard, startKcp } from './kcp-control-plane.js';
import { kubeApiserver, type ApiServerProgram } from './kube-apiserver.js';

const programs: readonly ApiServerProgram[] = [
  kubeApiserver,
  ...(kcpBinary === undefined ? [] : [kcpRootShard(kcpBinary)]),
  ...(cacheServerBinary === undefined ? [] : [kcpCacheServer(cacheServerBinary)]),
];

/** Of more than one program: what is started, and what of it the suite is about. */
async function startSecondShard(): Promise<Stoppable & { readonly controlPlane: ControlPlane }> {
  const kcp = await startKcp(kcpBinary ?? '', cacheServerBinary ?? '');
  return { controlPlane: kcp.secondShard, stop: () => kcp.stop() };
}

if (isSkipped) process.stderr.write(`test/e2e is NOT run: ${missing ?? ''}\n`);

interface Stoppable {
  stop(): Promise<void>;
}

type Suite = (start: () => Promise<ControlPlane>) => void;

/**
 * Describes a suite for kube-apiserver, and again for a kcp root shard where KCP_BIN names one, for a kcp cache server where
 * CACHE_SERVER_BIN does, and for a second shard where both do. `start` is for its `beforeAll`; what it resolves to is
 * stopped after the suite.
 */
export function onEveryControlPlane(title: string, suite: Suite): void {
  for (const program of programs) onControlPlane(program, title, suite);
  if (kcpBinary !== undefined && cacheServerBinary !== undefined)
    onStarted(`${title}: kcp second shard`, startSecondShard, suite);
}

/** The same for one of them. */
export function onControlPlane(program: ApiServerProgram, title: string, suite: Suite): void {
  const start = async () => {
    const controlPlane = await startControlPlane({ program });
    return { controlPlane, stop: () => controlPlane.stop() };
  };
  onStarted(`${title}: ${program.name}`, start, suite);
}

function onStarted(title: string, startServers: typeof startSecondShard, suite: Suite): void {
  describe.skipIf(isSkipped)(title, () => {
    const started: Stoppable[] = [];
    afterAll(async () => {
      for (const servers of started) await servers.stop();
    });
    suite(async () => {
      if (missing !== undefined) throw new Error(missing);
      const servers = await startServers();
      started.push(servers);
      return servers.controlPlane;
    });
  });
}
