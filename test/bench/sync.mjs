import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { duration } from './report.mjs';
import { forLocalhost } from './scraping-connections.mjs';

const bindings = 100_000;
const changes = 10_000;
const perSecond = 1000;

/** What it costs to follow an API server: the first sync of a large policy, then a storm of changes. */
export async function syncSection() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const server = fork(fileURLToPath(new URL('sync-server.mjs', import.meta.url)));
  const client = fork(fileURLToPath(new URL('sync-client.mjs', import.meta.url)), {
    execArgv: ['--expose-gc'],
  });
  try {
    const kubeconfig = await startServer(server, directory);
    client.send({ kubeconfig });
    const [sync] = await once(client, 'message');
    if (sync.clusterRoleBindings !== bindings) throw new Error(`${sync.clusterRoleBindings} bindings held`);
    const sent = once(server, 'message');
    server.send({ changes, perSecond });
    await sent;
    await setTimeout(500);
    client.send('storm');
    const [storm] = await once(client, 'message');
    if (storm.applied !== changes) throw new Error(`${storm.applied} changes applied`);
    const latencies = storm.latencies.sort((a, b) => a - b);
    const at = (share) => duration((latencies[Math.floor(share * (latencies.length - 1))] ?? 0) * 1e9);
    return {
      title: `Following an API server with ${bindings} bindings`,
      rows: [
        { what: 'first sync', figures: `${(sync.syncedMs / 1000).toFixed(2)} s` },
        {
          what: 'event loop blocked meanwhile, at most',
          figures: `${sync.blockedMs.toFixed(1)} ms`,
          goal: '< 10 ms',
          met: sync.blockedMs < 10,
        },
        {
          what: 'before, while the kubeconfig is read',
          figures: `${sync.openingMs.toFixed(1)} ms (the YAML library is loaded)`,
        },
        {
          what: 'heap above an idle process, after it',
          figures: `${sync.heapMb.toFixed(0)} MB (resident ${sync.rssMb.toFixed(0)} MB at its end)`,
          goal: '< 100 MB',
          met: sync.heapMb < 100,
        },
        {
          what: `${perSecond} changes a second: from arrival to decision`,
          figures: `p50 ${at(0.5)}, p99 ${at(0.99)}; event loop blocked ${storm.blockedMs.toFixed(1)} ms at most`,
        },
      ],
    };
  } finally {
    server.kill();
    client.kill();
    rmSync(directory, { recursive: true });
  }
}

async function startServer(server, directory) {
  const authority = await createAuthority({ commonName: 'server-ca' });
  const pair = await authority.issue(forLocalhost);
  server.send({ certificate: pair.certificatePem, privateKey: pair.privateKeyPem, bindings });
  const [{ port }] = await once(server, 'message');
  const file = join(directory, 'kubeconfig');
  const ca = Buffer.from(authority.certificatePem).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'server', cluster: { server: `https://localhost:${port}`, 'certificate-authority-data': ca } },
    ],
    users: [{ name: 'filter', user: { token: 'none' } }],
    contexts: [{ name: 'root', context: { cluster: 'server', user: 'filter' } }],
    'current-context': 'root',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
