import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { auditLine } from '../../dist/audit/audit-line.js';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { nanosecondsPerCall } from './measure.mjs';
import { goalRow } from './report.mjs';
import { compareInTurns } from './scraping-connections.mjs';

const pace = { connections: 16, rounds: 9, roundMs: 600, warmupMs: 1000 };
/** With and without; the rate says less on a machine that does something else meanwhile. */
const mostCost = 1.05;
const group = 'monitoring';
const headers = 'User-Agent: Prometheus/3.5.0\r\n';

/** One event as a line, and what an audit log costs a guarded server that is asked over TLS. */
export async function auditSection() {
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const child = fork(fileURLToPath(new URL('audit-server.mjs', import.meta.url)));
  try {
    const authority = await createAuthority({ commonName: 'client-ca' });
    const client = await authority.issue({
      commonName: 'prometheus',
      organizations: [group],
      usage: 'clientAuth',
    });
    const serving = await authority.issue({ commonName: 'localhost', usage: 'serverAuth' });
    child.send({
      certificate: serving.certificatePem,
      privateKey: serving.privateKeyPem,
      clientCa: authority.certificatePem,
      group,
      directory,
    });
    const [{ ports }] = await once(child, 'message');
    const credentials = { cert: client.certificatePem, key: client.privateKeyPem, headers };
    return {
      title: `Audit log, ${pace.connections} keep-alive connections over TLS; medians of ${pace.rounds} rounds in turns`,
      rows: [
        goalRow('one event as a line', lineFigures(), 10_000),
        ...(await compare(child, 'batch', credentials, ports)),
        ...(await compare(child, 'blocking', credentials, ports)),
      ],
    };
  } finally {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

function lineFigures() {
  const event = (at) => ({
    auditId: '3183cb3f-459f-403c-8693-3d63ef58a617',
    received: new Date(1_700_000_000_000 + at),
    completed: new Date(1_700_000_000_001 + at),
    verb: 'get',
    path: '/metrics',
    requestUri: '/metrics',
    identity: {
      name: 'prometheus',
      groups: [group, 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${'0f'.repeat(32)}`] },
    },
    sourceIps: ['127.0.0.1'],
    userAgent: 'Prometheus/3.5.0',
    code: 200,
    isClosedEarly: false,
    annotations: {
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': 'RBAC: allowed by ClusterRoleBinding "metrics-reader"',
    },
  });
  return nanosecondsPerCall({
    batches: 100,
    inputs: (batch) => Array.from({ length: 200 }, (_, at) => event(batch * 10 + Math.floor(at / 20))),
    call: auditLine,
  });
}

async function compare(child, mode, credentials, ports) {
  const asked = (port) => ({ port, ask: credentials });
  const { none, audited } = await compareInTurns(
    { none: asked(ports.none), audited: asked(ports[mode]) },
    pace,
    async () => (await serverFigures(child)).cpuMicros,
  );
  const ratio = audited.perSecond / none.perSecond;
  const isCheap = audited.cpuMicros / none.cpuMicros <= mostCost;
  const { lost } = await serverFigures(child);
  return [
    {
      what: `requests, ${mode}`,
      figures: `${Math.round(none.perSecond)} requests/s without, ${Math.round(audited.perSecond)} with: ${ratio.toFixed(3)}; ${lost} events lost`,
    },
    {
      what: '  processor time of the server',
      figures: `${none.cpuMicros.toFixed(0)} µs a request without, ${audited.cpuMicros.toFixed(0)} µs with`,
      ...(mode === 'batch' ? { goal: `at most × ${mostCost}, none lost`, met: isCheap && lost === 0 } : {}),
    },
  ];
}

async function serverFigures(child) {
  const answer = once(child, 'message');
  child.send('figures');
  const [figures] = await answer;
  return figures;
}
