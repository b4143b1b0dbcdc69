import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';
import { askFor, forLocalhost, openConnections } from './scraping-connections.mjs';
import { forked, startedFilter } from './started.mjs';

const counts = [1, 2];
const connections = 16;
const bytes = 40_000;
const rounds = 7;
const roundMs = 800;
const warmupMs = 1000;

/** What two workers serve together against one process, where each has a core. */
const minTogether = 1.5;

/**
 * The built command before an application, with one worker and with two, in turns. Two at once have no goal: this process
 * takes a core for itself, and the application a part of another, so that on two cores there is nothing left for a second
 * worker. What they would serve with a core each is measured of one of them, with its half of the connections, while the
 * other is idle.
 */
export async function workersSection() {
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const started = [];
  const application = forked('upstream-application.mjs', started);
  try {
    application.send({ bytes });
    const [{ port }] = await once(application, 'message');
    const { flags, credentials } = await preparedGuard(directory, `http://127.0.0.1:${port}/metrics`);
    const servers = {};
    const clients = {};
    for (const count of counts) {
      servers[count] = await startedFilter([`--workers=${count}`, ...flags], started);
      clients[count] = await openInTurn(servers[count].port, credentials);
    }
    return {
      title: `start --workers over TLS on ${availableParallelism()} cores, ${connections} keep-alive connections, ${bytes} bytes of an upstream; medians of ${rounds} rounds in turns`,
      rows: await compare(clients, servers[2].pid),
    };
  } finally {
    await Promise.all(started.map(stopped));
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
  const grant = fileURLToPath(new URL('../../rbac/prometheus-user.yaml', import.meta.url));
  copyFileSync(grant, join(policies, 'prometheus-user.yaml'));
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

/** One after the other, so that workers get them in turns. */
async function openInTurn(port, credentials) {
  const opened = [];
  while (opened.length < connections) opened.push(...(await openConnections(1, port, credentials)));
  return opened;
}

async function compare(clients, primary) {
  const asked = {
    one: clients[1],
    two: clients[2],
    'one of two': clients[2].filter((_, at) => at % 2 === 0),
  };
  const names = Object.keys(asked);
  for (const name of names) await askFor(asked[name], warmupMs);
  const found = Object.fromEntries(names.map((name) => [name, []]));
  let primaryMs = 0;
  let requestsOfTwo = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const before = cpuMs(primary);
      const { perSecond, requests } = await askFor(asked[name], roundMs);
      found[name].push(perSecond);
      if (name !== 'two') continue;
      primaryMs += cpuMs(primary) - before;
      requestsOfTwo += requests;
    }
  }
  for (const connection of Object.values(clients).flat()) connection.close();
  const [one, two, oneOfTwo] = names.map((name) => median(found[name]));
  const together = (2 * oneOfTwo) / one;
  return [
    {
      what: 'two workers against one',
      figures: `${Math.round(one)} requests/s with one, ${Math.round(two)} with two: ${(two / one).toFixed(2)}; the first process takes ${((primaryMs * 1000) / requestsOfTwo).toFixed(1)} µs a request`,
    },
    {
      what: 'two with a core each, from one of them with its half of the connections',
      figures: `${Math.round(oneOfTwo)} requests/s: 2 × ${(oneOfTwo / one).toFixed(2)}`,
      goal: `≥ ${minTogether}`,
      met: together >= minTogether,
    },
  ];
}

/** Processor time; needs /proc. The kernel counts in hundredths of a second. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function stopped(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill();
  await exited;
}
