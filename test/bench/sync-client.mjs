// Follows an API server's policy, in a process of its own, and tells what that costs it.
import { openPolicy, rootPolicySource } from '../../dist/index.js';

process.once('message', async ({ kubeconfig }) => {
  // What any process has that follows a policy: client-node alone takes tens of megabytes.
  await import('@kubernetes/client-node');
  const idle = memory();
  const loop = watchLoop();
  const started = performance.now();
  const latencies = [];
  const { policy, settled } = await openPolicy({
    sources: [
      rootPolicySource({ kubeconfig, observer: { applied: (_kind, seconds) => latencies.push(seconds) } }),
    ],
  });
  const loaded = performance.now();
  const openingMs = loop.worst();
  const missing = await settled(120_000);
  if (missing.length > 0) throw new Error(`not in step: ${JSON.stringify(missing)}`);
  const synced = performance.now();
  const during = memory();
  const blockedMs = loop.worst();
  const { clusterRoleBindings } = policy.status().find(({ layer }) => layer === 'root');
  const after = memory();
  // Collecting garbage by force is not the filter's doing.
  loop.worst();
  process.send({
    openedMs: loaded - started,
    syncedMs: synced - started,
    openingMs,
    blockedMs,
    clusterRoleBindings,
    rssMb: during.rss - idle.rss,
    heapMb: after.heap - idle.heap,
    rssAfterMb: after.rss - idle.rss,
  });
  process.on('message', () => {
    const { length } = latencies;
    process.send({ blockedMs: loop.worst(), applied: length, latencies: latencies.splice(0) });
  });
});

/** How long the event loop was blocked at most since it was last asked (ms). */
function watchLoop() {
  let last = performance.now();
  let worst = 0;
  const look = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    setImmediate(look);
  };
  look();
  return {
    worst() {
      const found = worst;
      worst = 0;
      last = performance.now();
      return found;
    },
  };
}

function memory() {
  const rss = process.memoryUsage().rss / 1e6;
  globalThis.gc();
  globalThis.gc();
  return { rss, heap: process.memoryUsage().heapUsed / 1e6 };
}
