import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median } from './measure.mjs';

const connections = 16;
const rounds = 9;
const roundMs = 800;
const warmupMs = 1500;
const goalRatio = 0.95;
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
  const serving = await clientCa.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
  });
  const child = fork(fileURLToPath(new URL('throughput-server.mjs', import.meta.url)));
  try {
    child.send({
      certificate: serving.certificatePem,
      privateKey: serving.privateKeyPem,
      clientCa: clientCa.certificatePem,
      user,
      tokens: `${token},${user},1,monitoring`,
    });
    const [{ ports, bytes }] = await once(child, 'message');
    const withCertificate = { cert: client.certificatePem, key: client.privateKeyPem, headers: '' };
    const withToken = { headers: `Authorization: Bearer ${token}\r\n` };
    const pairs = [
      { what: 'client certificate', credentials: withCertificate, gated: 'gated', ungated: 'ungated' },
      { what: 'bearer token', credentials: withToken, gated: 'gated', ungated: 'ungated' },
      {
        what: 'client certificate, rendered by prom-client',
        credentials: withCertificate,
        gated: 'gated, prom-client',
        ungated: 'ungated, prom-client',
      },
    ];
    const rows = [];
    for (const { what, credentials, gated, ungated } of pairs) {
      rows.push(...(await compare(child, what, credentials, { A: ports[ungated], B: ports[gated] })));
    }
    return {
      title: `Throughput over TLS, ${connections} keep-alive connections, ${bytes} bytes; medians of ${rounds} rounds in turns`,
      rows,
    };
  } finally {
    child.kill();
  }
}

async function compare(child, what, credentials, ports) {
  const clients = {
    A: await openConnections(ports.A, credentials),
    B: await openConnections(ports.B, credentials),
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
      goal: `≥ ${goalRatio}`,
      met: ratio >= goalRatio,
    },
    {
      what: '  processor time of the server',
      figures: `${cpu('A').toFixed(0)} µs a request ungated, ${cpu('B').toFixed(0)} µs gated`,
    },
  ];
}

async function measure(child, clients, milliseconds) {
  const cpuBefore = await serverCpu(child);
  const started = performance.now();
  const deadline = started + milliseconds;
  const counts = await Promise.all(clients.map((client) => client.run(deadline)));
  const seconds = (performance.now() - started) / 1000;
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { perSecond: requests / seconds, cpuMicros: ((await serverCpu(child)) - cpuBefore) / requests };
}

async function serverCpu(child) {
  const answer = once(child, 'message');
  child.send('cpu');
  const [{ cpuMicros }] = await answer;
  return cpuMicros;
}

function openConnections(port, credentials) {
  return Promise.all(Array.from({ length: connections }, () => openConnection(port, credentials)));
}

/** A client that costs little: it knows the length of an answer from the first and then counts bytes. */
async function openConnection(port, { headers, ...pair }) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...pair });
  await once(socket, 'secureConnect');
  const request = Buffer.from(`GET /metrics HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
  const answerBytes = await firstAnswer(socket, request);
  let onAnswer = () => undefined;
  let onClose = () => undefined;
  let received = 0;
  socket.once('close', () => {
    onClose(new Error('the server closed the connection'));
  });
  socket.on('data', (data) => {
    received += data.length;
    if (received < answerBytes) return;
    received -= answerBytes;
    onAnswer();
  });
  return {
    run: (deadline) =>
      new Promise((resolve, reject) => {
        let count = 0;
        onAnswer = () => {
          count += 1;
          if (performance.now() < deadline) socket.write(request);
          else resolve(count);
        };
        onClose = reject;
        socket.write(request);
      }),
    close() {
      onClose = () => undefined;
      socket.destroy();
    },
  };
}

function firstAnswer(socket, request) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (data) => {
      received = Buffer.concat([received, data]);
      const head = received.indexOf('\r\n\r\n');
      if (head < 0) return;
      const text = received.subarray(0, head).toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (!text.startsWith('HTTP/1.1 200 ')) reject(new Error(text.split('\r\n', 1)[0]));
      if (received.length < head + 4 + length) return;
      socket.off('data', onData);
      resolve(received.length);
    };
    socket.on('data', onData);
    socket.write(request);
  });
}
