import { once } from 'node:events';
import { connect } from 'node:tls';
import { median } from './measure.mjs';

const longestAnswerMs = 10_000;

/** What a server has a certificate for. */
export const forLocalhost = { commonName: 'localhost', usage: 'serverAuth', dnsNames: ['localhost'] };

/**
 * Clients over TLS that cost little: each knows the length of an answer from the first one and then counts bytes.
 * Every answer must be as long as the first.
 *
 * @param {number} count
 * @param {number} port
 * @param {{ headers: string, path?: string, status?: number, cert?: string, key?: string }} request `status` is what
 *   the first answer must be.
 */
export function openConnections(count, port, request) {
  return Promise.all(Array.from({ length: count }, () => openConnection(port, request)));
}

/** How much they are answered in so many milliseconds. */
export async function askFor(clients, milliseconds) {
  const started = performance.now();
  const deadline = started + milliseconds;
  const counts = await Promise.all(clients.map((client) => client.run(deadline)));
  const seconds = (performance.now() - started) / 1000;
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { requests, perSecond: requests / seconds };
}

/**
 * Servers by name, each with its port and what it is asked: medians of rounds in which all are asked in turns, so that what
 * else the machine does meets all of them.
 *
 * @param {(server: { port: number }) => number | Promise<number>} cpuMicros how much processor time a server has taken
 */
export async function compareInTurns(servers, { connections, rounds, roundMs, warmupMs }, cpuMicros) {
  const names = Object.keys(servers);
  const clients = {};
  const found = Object.fromEntries(names.map((name) => [name, []]));
  const measure = async (name, milliseconds) => {
    const before = await cpuMicros(servers[name]);
    const { requests, perSecond } = await askFor(clients[name], milliseconds);
    return { perSecond, cpuMicros: ((await cpuMicros(servers[name])) - before) / requests };
  };
  for (const name of names) {
    clients[name] = await openConnections(connections, servers[name].port, servers[name].ask);
    await measure(name, warmupMs);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      found[name].push(await measure(name, roundMs));
    }
  }
  for (const connection of Object.values(clients).flat()) connection.close();
  const medianOf = (name, figure) => median(found[name].map((each) => each[figure]));
  return Object.fromEntries(
    names.map((name) => [
      name,
      { perSecond: medianOf(name, 'perSecond'), cpuMicros: medianOf(name, 'cpuMicros') },
    ]),
  );
}

async function openConnection(port, { headers, path = '/metrics', status = 200, ...pair }) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...pair });
  await once(socket, 'secureConnect');
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
  const answerBytes = await firstAnswer(socket, request, status);
  let onAnswer = () => undefined;
  let onClose = () => undefined;
  let received = 0;
  const statusLine = `HTTP/1.1 ${status} `;
  socket.once('close', () => {
    onClose(new Error(`${path}: the server closed the connection`));
  });
  socket.on('data', (data) => {
    const line = data.subarray(0, statusLine.length).toString('latin1');
    if (received === 0 && line !== statusLine) onClose(new Error(`${path}: ${line}`));
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
          else {
            socket.setTimeout(0, onTimeout);
            resolve(count);
          }
        };
        onClose = reject;
        if (socket.destroyed)
          reject(new Error(`${path}: the server closed the connection between two rounds`));
        // Another server on this port may answer at another length than it did at first.
        const onTimeout = () => {
          reject(new Error(`${path}: no answer in ${longestAnswerMs} ms`));
        };
        socket.setTimeout(longestAnswerMs, onTimeout);
        socket.write(request);
      }),
    close() {
      onClose = () => undefined;
      socket.destroy();
    },
  };
}

function firstAnswer(socket, request, status) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (data) => {
      received = Buffer.concat([received, data]);
      const head = received.indexOf('\r\n\r\n');
      if (head < 0) return;
      const text = received.subarray(0, head).toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (!text.startsWith(`HTTP/1.1 ${status} `)) reject(new Error(text.split('\r\n', 1)[0]));
      if (received.length < head + 4 + length) return;
      socket.off('data', onData);
      resolve(received.length);
    };
    socket.on('data', onData);
    socket.write(request);
  });
}
