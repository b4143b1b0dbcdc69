// Forked by connections.mjs: thousands of connections, from many addresses, that want little or nothing.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';

const openedAtOnce = 50;
const addresses = 50;
const byteEveryMs = 1000;
/** The server cuts them after 10 s; they go before, each at a time of its own, and come back (ms). */
const slowLife = { least: 3000, most: 9000 };

/** One that was cut comes back after this (ms). */
const returnMs = 1000;

const open = { idle: 0, slow: 0 };
let session;

process.once('message', async ({ port, counts, readerTokens }) => {
  const started = performance.now();
  await inTurns(counts.idle, (at) => idle(port, at));
  await inTurns(counts.slowHeaders, (at) => slowHeaders(port, at));
  await inTurns(counts.stalledReaders, (at) => stalledReader(port, at, readerTokens));
  process.send({ openingMs: performance.now() - started });
  process.on('message', () => process.send({ open }));
});

async function inTurns(count, opened) {
  let next = 0;
  await Promise.all(
    Array.from({ length: openedAtOnce }, async () => {
      for (let at = next++; at < count; at = next++) await opened(at);
    }),
  );
}

/** It has asked once: what never asks is cut after some seconds. */
async function idle(port, at) {
  const socket = await opened(port, at, 'idle');
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
}

async function slowHeaders(port, at) {
  const socket = await opened(port, at, 'slow');
  socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  const timer = setInterval(() => socket.write('a'), byteEveryMs);
  setTimeout(() => socket.destroy(), slowLife.least + Math.random() * (slowLife.most - slowLife.least));
  socket.once('close', () => {
    clearInterval(timer);
    slowHeaders(port, at).catch(() => undefined);
  });
}

async function stalledReader(port, at, readerTokens) {
  const socket = await opened(port, at, 'slow');
  const token = readerTokens[at % readerTokens.length];
  const request = `GET /metrics/large HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  socket.pause();
  socket.write(request.repeat(4));
  socket.once('close', () => {
    comeBack(() => stalledReader(port, at, readerTokens));
  });
}

function comeBack(again) {
  void pause(returnMs)
    .then(again)
    .catch(() => undefined);
}

async function opened(port, at, kind) {
  const socket = connect({
    host: '127.0.0.1',
    localAddress: `127.0.3.${1 + (at % addresses)}`,
    port,
    rejectUnauthorized: false,
    ...(session === undefined ? {} : { session }),
  });
  socket.on('error', () => undefined);
  socket.once('session', (data) => {
    session ??= data;
  });
  await once(socket, 'secureConnect');
  open[kind] += 1;
  socket.once('close', () => {
    open[kind] -= 1;
  });
  return socket;
}
