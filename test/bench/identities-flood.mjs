// Forked by identities.mjs: sends bad tokens, each another, at a steady rate over connections that stay open.
import { once } from 'node:events';
import { connect } from 'node:tls';
import { forgedToken } from './signed-tokens.mjs';

const connections = 16;
const tickMs = 4;
let sent = 0;
let tally = new Map();

process.once('message', async ({ port, key, perSecond }) => {
  const sockets = await Promise.all(Array.from({ length: connections }, () => opened(port)));
  process.send('ready');
  process.on('message', async ({ forMs }) => {
    tally = new Map();
    await flood(sockets, key, perSecond, forMs);
    process.send(Object.fromEntries(tally));
  });
});

/** Each connection has one question under way at a time; what finds none that is free is left out. */
async function flood(sockets, key, perSecond, forMs) {
  const started = performance.now();
  let due = 0;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - started;
      for (; due < (Math.min(elapsed, forMs) / 1000) * perSecond; due += 1) {
        const free = sockets.find(({ isFree }) => isFree());
        sent += 1;
        free?.ask(forgedToken(key, sent));
      }
      if (elapsed < forMs || !sockets.every(({ isFree }) => isFree())) return;
      clearInterval(timer);
      resolve();
    }, tickMs);
  });
}

async function opened(port) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  let isFree = true;
  let received = '';
  socket.on('data', (data) => {
    received += data.toString('latin1');
    const head = received.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
    if (head < 0 || received.length < head + 4 + length) return;
    const status = received.slice(9, 12);
    tally.set(status, (tally.get(status) ?? 0) + 1);
    received = '';
    isFree = true;
  });
  socket.once('close', () => {
    throw new Error('the server closed a connection');
  });
  return {
    isFree: () => isFree,
    ask(token) {
      isFree = false;
      socket.write(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    },
  };
}
