import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { compareInTurns, forLocalhost } from './scraping-connections.mjs';

const pace = { connections: 16, rounds: 9, roundMs: 800, warmupMs: 1500 };
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
        ...(await compare(child, { what, goal }, credentials, {
          ungated: ports[ungated],
          gated: ports[gated],
        })),
      );
    }
    return {
      title: `Throughput over TLS, ${pace.connections} keep-alive connections, ${bytes} bytes; medians of ${pace.rounds} rounds in turns`,
      rows,
    };
  } finally {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function compare(child, { what, goal }, credentials, ports) {
  const asked = (port) => ({ port, ask: credentials });
  const { ungated, gated } = await compareInTurns(
    { ungated: asked(ports.ungated), gated: asked(ports.gated) },
    pace,
    () => serverCpu(child),
  );
  const ratio = gated.perSecond / ungated.perSecond;
  return [
    {
      what,
      figures: `${Math.round(ungated.perSecond)} requests/s ungated, ${Math.round(gated.perSecond)} gated: ${ratio.toFixed(3)}`,
      goal: `≥ ${goal}`,
      met: ratio >= goal,
    },
    {
      what: '  processor time of the server',
      figures: `${ungated.cpuMicros.toFixed(0)} µs a request ungated, ${gated.cpuMicros.toFixed(0)} µs gated`,
    },
  ];
}

async function serverCpu(child) {
  const answer = once(child, 'message');
  child.send('cpu');
  const [{ cpuMicros }] = await answer;
  return cpuMicros;
}
