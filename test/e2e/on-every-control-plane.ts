import { afterAll, describe } from 'vitest';
import { cacheServerBinary, isSkipped, kcpBinary, missing } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { kcpCacheServer, kcpRootShard } from './kcp-control-plane.js';
import { kubeApiserver, type ApiServerProgram } from './kube-apiserver.js';

const programs: readonly ApiServerProgram[] = [
  kubeApiserver,
  ...(kcpBinary === undefined ? [] : [kcpRootShard(kcpBinary)]),
  ...(cacheServerBinary === undefined ? [] : [kcpCacheServer(cacheServerBinary)]),
];

if (isSkipped) process.stderr.write(`test/e2e is NOT run: ${missing ?? ''}\n`);

type Suite = (start: () => Promise<ControlPlane>) => void;

/**
 * Describes a suite for kube-apiserver, and again for a kcp root shard where KCP_BIN names one and for a kcp cache
 * server where CACHE_SERVER_BIN does. `start` is for its `beforeAll`; what it resolves to is stopped after the suite.
 */
export function onEveryControlPlane(title: string, suite: Suite): void {
  for (const program of programs) onControlPlane(program, title, suite);
}

/** The same for one of them. */
export function onControlPlane(program: ApiServerProgram, title: string, suite: Suite): void {
  describe.skipIf(isSkipped)(`${title}: ${program.name}`, () => {
    const started: ControlPlane[] = [];
    afterAll(async () => {
      for (const controlPlane of started) await controlPlane.stop();
    });
    suite(async () => {
      if (missing !== undefined) throw new Error(missing);
      const controlPlane = await startControlPlane({ program });
      started.push(controlPlane);
      return controlPlane;
    });
  });
}
