import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';
import { openConnections } from './scraping-connections.mjs';

const connections = 16;
const rounds = 7;
const roundMs = 700;
const warmupMs = 1000;
/** What the filter does unless told otherwise. */
const shared = 'scrapes shared';
const token = 'b6c1d4f0a9e24b6c8d3e';
const sizes = [
  { what: '2.1 MB', bytes: 2_100_000, goalRatio: 0.9 },
  { what: '40 KB', bytes: 40_000, goalRatio: 0.5 },
];

/**
 * An application's exposition passed on over TLS, beside a bare https server that has the same bytes in memory: in
 * turns on one process, the application in another.
 */
export async function upstreamSection() {
  const authority = await createAuthority({ commonName: 'serving-ca' });
  const serving = await authority.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
  });
  const rows = [];
  for (const { what, bytes, goalRatio } of sizes) {
    const application = forked('upstream-application.mjs');
    const server = forked('upstream-server.mjs');
    try {
      application.send({ bytes });
      const [{ port }] = await once(application, 'message');
      server.send({
        certificate: serving.certificatePem,
        privateKey: serving.privateKeyPem,
        tokens: `${token},prometheus,1,monitoring`,
        upstream: `http://127.0.0.1:${port}/metrics`,
        bytes,
      });
      const [{ ports }] = await once(server, 'message');
      const found = await compare(server, ports);
      for (const name of Object.keys(ports).slice(1)) {
        const { bare, [name]: passedOn } = found;
        const ratio = passedOn.perSecond / bare.perSecond;
        rows.push(
          {
            what: `${what}, ${name}`,
            figures: `${Math.round(bare.perSecond)} requests/s bare, ${Math.round(passedOn.perSecond)} passed on: ${ratio.toFixed(2)}`,
            ...(name === shared ? { goal: `≥ ${goalRatio}`, met: ratio >= goalRatio } : {}),
          },
          {
            what: '  processor time of the server',
            figures: `${bare.cpuMicros.toFixed(0)} µs a request bare, ${passedOn.cpuMicros.toFixed(0)} µs passed on`,
          },
        );
      }
    } finally {
      server.kill();
      application.kill();
    }
  }
  return {
    title: `An upstream passed on over TLS, ${connections} keep-alive connections; medians of ${rounds} rounds in turns`,
    rows,
  };
}

function forked(file) {
  return fork(fileURLToPath(new URL(file, import.meta.url)));
}

/** By the name of the server. */
async function compare(server, ports) {
  const names = Object.keys(ports);
  const clients = {};
  const found = {};
  for (const name of names) {
    clients[name] = await openConnections(connections, ports[name], {
      headers: `Authorization: Bearer ${token}\r\n`,
    });
    found[name] = [];
    await measure(server, clients[name], warmupMs);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      found[name].push(await measure(server, clients[name], roundMs));
    }
  }
  for (const connection of Object.values(clients).flat()) connection.close();
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        perSecond: median(found[name].map(({ perSecond }) => perSecond)),
        cpuMicros: median(found[name].map(({ cpuMicros }) => cpuMicros)),
      },
    ]),
  );
}

async function measure(server, clients, milliseconds) {
  const cpuBefore = await cpuOf(server);
  const started = performance.now();
  const deadline = started + milliseconds;
  const counts = await Promise.all(clients.map((client) => client.run(deadline)));
  const seconds = (performance.now() - started) / 1000;
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { perSecond: requests / seconds, cpuMicros: ((await cpuOf(server)) - cpuBefore) / requests };
}

async function cpuOf(server) {
  const answer = once(server, 'message');
  server.send('cpu');
  const [{ cpuMicros }] = await answer;
  return cpuMicros;
}
