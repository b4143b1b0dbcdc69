import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';
import { compareInTurns, forLocalhost, openConnections } from './scraping-connections.mjs';
import { forked, startedFilter } from './started.mjs';

const pace = { connections: 16, rounds: 7, roundMs: 900, warmupMs: 1500 };
const starts = 9;
const maxStart = 4;
const token = 'b6c1d4f0a9e24b6c8d3e';
const bodies = { '/40k': 40_000, '/2m': 2_100_000 };
const bearer = { headers: `Authorization: Bearer ${token}\r\n` };
const stranger = { headers: '' };

/** What each server is asked, and which figure of the bare one it stands beside. */
const work = [
  { what: '/livez', bare: '/livez', ask: { ...stranger, path: '/livez' }, maxCpu: 1.6 },
  {
    what: '501',
    bare: '/livez',
    ask: { ...stranger, path: '/clusters/root/metrics', status: 501 },
    maxCpu: 1.6,
  },
  { what: '403', bare: '/livez', ask: { ...bearer, path: '/debug', status: 403 } },
  {
    what: '40 KB of an upstream',
    bare: '/40k',
    ask: { ...bearer, path: '/metrics/40k' },
    maxCpu: 1.3,
    minRate: 0.75,
  },
  { what: '2.1 MB of an upstream', bare: '/2m', ask: { ...bearer, path: '/metrics/2m' }, minRate: 0.9 },
];

/**
 * The built `start`, from outside, as its users meet it: beside a bare https server that has the answers ready, beside
 * another build (`--baseline DIR`), and beside kube-rbac-proxy where KUBE_RBAC_PROXY names its binary. Needs /proc.
 */
export async function startSection({ baseline } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const started = [];
  try {
    const authority = await createAuthority({ commonName: 'serving-ca' });
    const { certificatePem, privateKeyPem } = await authority.issue(forLocalhost);
    const file = (name, text) => {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
      return join(directory, name);
    };
    const pair = { cert: file('tls.crt', certificatePem), key: file('tls.key', privateKeyPem) };
    const bare = await listening('bare-server.mjs', started, {
      cert: certificatePem,
      key: privateKeyPem,
      bodies: Object.entries(bodies),
    });
    const upstreams = {};
    for (const [path, bytes] of Object.entries(bodies)) {
      upstreams[path] =
        `http://127.0.0.1:${(await listening('upstream-application.mjs', started, { bytes })).port}/metrics`;
    }
    const flags = startFlags(pair, file, upstreams);
    const filters = { start: await startedFilter(flags, started) };
    if (baseline !== undefined) filters.baseline = await startedFilter(flags, started, resolve(baseline));
    filters['start, 2 workers'] = await startedFilter([...flags, '--workers=2'], started);
    const rows = [];
    for (const { what, bare: path, ask, maxCpu, minRate } of work) {
      const servers = { bare: { ...bare, ask: { ...stranger, path } } };
      for (const [name, server] of Object.entries(filters)) servers[name] = { ...server, ask };
      const proxied = upstreams[path];
      const proxy = proxied === undefined ? undefined : await kubeRbacProxy(pair, proxied, started);
      if (proxy !== undefined)
        servers['kube-rbac-proxy'] = { ...proxy, ask: { ...stranger, path: '/metrics' } };
      const found = await compareInTurns(servers, pace, ({ pid }) => cpuMicrosOf(pid));
      rows.push(...rowsOf(what, found, { maxCpu, minRate }));
      if (proxy !== undefined) {
        rows.push({
          what: '  memory',
          figures: `start ${megabytes(filters.start.pid)} MB, kube-rbac-proxy ${megabytes(proxy.pid)} MB`,
        });
        process.kill(proxy.pid);
      }
    }
    rows.push(await untilFirstScrape(pair, file));
    return {
      title: `The built start over TLS, ${pace.connections} keep-alive connections; medians of ${pace.rounds} rounds in turns`,
      rows,
    };
  } finally {
    for (const child of started) child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From the start of the process to the first scrape that is answered, beside a node that does nothing. */
async function untilFirstScrape(pair, file) {
  const rbac = join(file('first-tokens.csv', `${token},prometheus,1\n`), '..', 'ten-manifests');
  mkdirSync(rbac);
  for (let at = 0; at < 10; at += 1) {
    writeFileSync(join(rbac, `${at}.yaml`), manifest(`reader-${at}`, ['/metrics'], `prometheus${at || ''}`));
  }
  const flags = [
    ...['--mode=shard', '--bind-address=127.0.0.1', '--secure-port=0', `--rbac-dir=${rbac}`],
    ...[`--tls-cert-file=${pair.cert}`, `--tls-private-key-file=${pair.key}`],
    `--token-auth-file=${join(rbac, '..', 'first-tokens.csv')}`,
  ];
  const found = { start: [], node: [] };
  for (let round = 0; round < starts; round += 1) {
    let begun = performance.now();
    await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
    found.node.push(performance.now() - begun);
    const started = [];
    begun = performance.now();
    const { port } = await startedFilter(flags, started);
    const [connection] = await openConnections(1, port, bearer);
    found.start.push(performance.now() - begun);
    connection.close();
    const [child] = started;
    child.kill();
    await once(child, 'exit');
  }
  const [startMs, nodeMs] = [median(found.start), median(found.node)];
  const times = startMs / nodeMs;
  return {
    what: 'from its start to the first answered scrape, ten manifests',
    figures: `${startMs.toFixed(0)} ms (node -e 0: ${nodeMs.toFixed(0)} ms): × ${times.toFixed(2)}`,
    goal: `× ≤ ${maxStart}`,
    met: times <= maxStart,
  };
}

function manifest(name, paths, user) {
  const rules = paths.map((path) => `{nonResourceURLs: ["${path}"], verbs: [get]}`);
  return `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: ${name}}, rules: [${rules.join()}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: ${name}}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${name}}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: ${user}}]}
`;
}

function rowsOf(what, { bare, ...others }, { maxCpu, minRate }) {
  return Object.entries(others).map(([name, { cpuMicros, perSecond }]) => {
    const cpu = cpuMicros / bare.cpuMicros;
    const rate = perSecond / bare.perSecond;
    const goals =
      name === 'start' ? [maxCpu && `× ≤ ${maxCpu}`, minRate && `rate ≥ ${minRate}`].filter(Boolean) : [];
    return {
      what: `${what}: ${name}`,
      figures: `${cpuMicros.toFixed(0)} µs (bare ${bare.cpuMicros.toFixed(0)}): × ${cpu.toFixed(2)}; ${Math.round(perSecond)} requests/s: ${rate.toFixed(2)}`,
      ...(goals.length === 0 ? {} : { goal: goals.join(', '), met: !(cpu > maxCpu) && !(rate < minRate) }),
    };
  });
}

function startFlags(pair, file, upstreams) {
  file('rbac.yaml', manifest('reader', ['/metrics/*'], 'prometheus'));
  const tokens = file('tokens.csv', `${token},prometheus,1\n`);
  return [
    ...['--mode=shard', '--bind-address=127.0.0.1', '--secure-port=0', `--rbac-dir=${join(tokens, '..')}`],
    ...[`--tls-cert-file=${pair.cert}`, `--tls-private-key-file=${pair.key}`, `--token-auth-file=${tokens}`],
    ...Object.entries(upstreams).map(([path, url]) => `--upstream-path=/metrics${path}=${url}`),
  ];
}

/** Without asking anyone: its fastest. */
async function kubeRbacProxy(pair, upstream, started) {
  const binary = process.env['KUBE_RBAC_PROXY'];
  if (binary === undefined) return undefined;
  const port = await freePort();
  const child = spawn(
    binary,
    [
      ...[`--secure-listen-address=127.0.0.1:${port}`, `--upstream=${new URL(upstream).origin}/`],
      ...[`--tls-cert-file=${pair.cert}`, `--tls-private-key-file=${pair.key}`, '--ignore-paths=/metrics'],
      ...(process.env['KUBE_RBAC_PROXY_FLAGS']?.split(' ') ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  started.push(child);
  for (let attempt = 0; attempt < 100; attempt += 1) {
    await pause(100);
    const [connection] = await openConnections(1, port, stranger).catch(() => []);
    if (connection === undefined) continue;
    connection.close();
    return { pid: child.pid, port };
  }
  throw new Error('kube-rbac-proxy does not listen');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

async function listening(script, started, message) {
  const child = forked(script, started);
  child.send(message);
  const [{ port }] = await once(child, 'message');
  return { pid: child.pid, port };
}

/** Of the process and of its workers; the kernel counts in hundredths of a second. */
function cpuMicrosOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) * 10_000;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return children === '' ? own : children.split(' ').reduce((sum, child) => sum + cpuMicrosOf(child), own);
}

function megabytes(pid) {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);
}
