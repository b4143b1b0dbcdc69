import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';
import { askFor, forLocalhost, openConnections } from './scraping-connections.mjs';

const connections = 16;
const rounds = 9;
const roundMs = 800;
const warmupMs = 1500;
const user = 'prometheus';
const token = 'b6c1d4f0a9e24b6c8d3e';

/** The same server with and without the guard, in turns on one process, asked by raw sockets of another. */
export async function throughputSection() {
  const clientCa = await createAuthority({ commonName: 'client-ca' });
  const client = await clientCa.issue({
    commonName: user,
    organizations: ['monitoring'],
    usage: 'clientAuth',
  });
  const serving = await clientCa.issue(forLocalhost);
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const child = fork(fileURLToPath(new URL('throughput-server.mjs', import.meta.url)));
  try {
    child.send({
      certificate: serving.certificatePem,
      privateKey: serving.privateKeyPem,
      clientCa: clientCa.certificatePem,
      user,
      tokens: `${token},${user},1,monitoring`,
      directory,
    });
    const [{ ports, bytes }] = await once(child, 'message');
    const withCertificate = { cert: client.certificatePem, key: client.privateKeyPem, headers: '' };
    const withToken = { headers: `Authorization: Bearer ${token}\r\n` };
    const pairs = [
      { what: 'client certificate', credentials: withCertificate, gated: 'gated', ungated: 'ungated' },
      { what: 'bearer token', credentials: withToken, gated: 'gated', ungated: 'ungated' },
      {
        what: 'bearer token; audit in batches, limits and telemetry on',
        credentials: withToken,
        gated: 'gated, all on',
        ungated: 'ungated',
        goal: 0.9,
      },
      {
        what: 'client certificate, rendered by prom-client',
        credentials: withCertificate,
        gated: 'gated, prom-client',
        ungated: 'ungated, prom-client',
      },
    ];
    const rows = [];
    for (const { what, credentials, gated, ungated, goal = 0.95 } of pairs) {
      rows.push(
        ...(await compare(child, { what, goal }, credentials, { A: ports[ungated], B: ports[gated] })),
      );
    }
    return {
      title: `Throughput over TLS, ${connections} keep-alive connections, ${bytes} bytes; medians of ${rounds} rounds in turns`,
      rows,
    };
  } finally {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function compare(child, { what, goal }, credentials, ports) {
  const clients = {
    A: await openConnections(connections, ports.A, credentials),
    B: await openConnections(connections, ports.B, credentials),
  };
  await measure(child, clients.A, warmupMs);
  await measure(child, clients.B, warmupMs);
  const found = { A: [], B: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? ['A', 'B'] : ['B', 'A']) {
      found[name].push(await measure(child, clients[name], roundMs));
    }
  }
  for (const connection of [...clients.A, ...clients.B]) connection.close();
  const rate = (name) => median(found[name].map(({ perSecond }) => perSecond));
  const cpu = (name) => median(found[name].map(({ cpuMicros }) => cpuMicros));
  const ratio = rate('B') / rate('A');
  return [
    {
      what,
      figures: `${Math.round(rate('A'))} requests/s ungated, ${Math.round(rate('B'))} gated: ${ratio.toFixed(3)}`,
      goal: `≥ ${goal}`,
      met: ratio >= goal,
    },
    {
      what: '  processor time of the server',
      figures: `${cpu('A').toFixed(0)} µs a request ungated, ${cpu('B').toFixed(0)} µs gated`,
    },
  ];
}

async function measure(child, clients, milliseconds) {
  const cpuBefore = await serverCpu(child);
  const { requests, perSecond } = await askFor(clients, milliseconds);
  return { perSecond, cpuMicros: ((await serverCpu(child)) - cpuBefore) / requests };
}

async function serverCpu(child) {
  const answer = once(child, 'message');
  child.send('cpu');
  const [{ cpuMicros }] = await answer;
  return cpuMicros;
}
