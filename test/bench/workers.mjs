import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';
import { askFor, forLocalhost, openConnections } from './scraping-connections.mjs';

const counts = [1, 2];
const connections = 16;
const bytes = 40_000;
const rounds = 7;
const roundMs = 800;
const warmupMs = 1000;
const bin = place('../../dist/cli/main.js');

/**
 * The built command before an application, with one worker and with two, in turns. No goal: this process takes a core
 * for itself, and the application a part of another, so that on two cores there is nothing left for a second worker.
 */
export async function workersSection() {
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const application = fork(place('upstream-application.mjs'));
  const servers = {};
  try {
    application.send({ bytes });
    const [{ port }] = await once(application, 'message');
    const { flags, credentials } = await preparedGuard(directory, `http://127.0.0.1:${port}/metrics`);
    for (const count of counts) {
      servers[count] = spawn(process.execPath, [bin, 'start', `--workers=${count}`, ...flags], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    }
    const clients = {};
    for (const count of counts) {
      clients[count] = await openConnections(connections, await portOf(servers[count]), credentials);
    }
    return {
      title: `start --workers over TLS on ${availableParallelism()} cores, ${connections} keep-alive connections, ${bytes} bytes of an upstream; medians of ${rounds} rounds in turns`,
      rows: await compare(clients),
    };
  } finally {
    await Promise.all(Object.values(servers).map(stopped));
    application.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Who scrapes has a client certificate and is granted it by a binding that is read from a directory. */
async function preparedGuard(directory, upstream) {
  const authority = await createAuthority({ commonName: 'authority' });
  const client = await authority.issue({ commonName: 'prometheus', usage: 'clientAuth' });
  const serving = await authority.issue(forLocalhost);
  const written = (name, text) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const policies = join(directory, 'rbac');
  mkdirSync(policies);
  copyFileSync(place('../../rbac/prometheus-user.yaml'), join(policies, 'prometheus-user.yaml'));
  return {
    flags: [
      '--mode=shard',
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--upstream=${upstream}`,
      `--tls-cert-file=${written('tls.crt', serving.certificatePem)}`,
      `--tls-private-key-file=${written('tls.key', serving.privateKeyPem)}`,
      `--client-ca-file=${written('client-ca.crt', authority.certificatePem)}`,
      `--rbac-dir=${policies}`,
    ],
    credentials: { cert: client.certificatePem, key: client.privateKeyPem, headers: '' },
  };
}

async function compare(clients) {
  for (const count of counts) await askFor(clients[count], warmupMs);
  const found = Object.fromEntries(counts.map((count) => [count, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const count of round % 2 === 0 ? counts : counts.toReversed()) {
      found[count].push((await askFor(clients[count], roundMs)).perSecond);
    }
  }
  for (const connection of Object.values(clients).flat()) connection.close();
  const [one, two] = counts.map((count) => median(found[count]));
  return [
    {
      what: 'two workers against one',
      figures: `${Math.round(one)} requests/s with one, ${Math.round(two)} with two: ${(two / one).toFixed(2)}`,
    },
  ];
}

/** Where it listens, which it says in its log. */
function portOf(server) {
  return new Promise((resolve, reject) => {
    let log = '';
    server.stderr.on('data', (data) => {
      log += data;
      const port = /"url":"https:\/\/[^"]+:(\d+)"/.exec(log)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    server.once('close', () => {
      reject(new Error(`did not start: ${log}`));
    });
  });
}

async function stopped(server) {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill();
  await exited;
}

function place(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}
