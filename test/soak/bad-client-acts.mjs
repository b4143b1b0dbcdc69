import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';

const holdMs = 4_000;
/** The server has been silent for so long that it has nothing more to say (ms). */
const silenceMs = 1_000;

/**
 * What each kind of bad client does once. Resolves to what it was given and must not have been; to undefined where all is
 * well. Whether and when the server closes the connection is left to it.
 */
export const acts = {
  async 'takes nothing of many answers'(context) {
    const socket = await secure(context);
    socket.pause();
    socket.write(get('/metrics', `Authorization: Bearer ${context.token}\r\n`).repeat(8));
    await hold(socket);
  },
  async 'goes in the middle of an answer'(context) {
    const socket = await secure(context);
    socket.write(get('/metrics', `Authorization: Bearer ${context.token}\r\n`));
    await Promise.race([once(socket, 'data').catch(() => undefined), pause(silenceMs)]);
    socket.destroy();
  },
  async 'begins a handshake'(context) {
    const socket = await plain(context);
    socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
    await hold(socket);
  },
  async 'connects, and says nothing'(context) {
    await hold(await plain(context));
  },
  async 'sends headers a byte at a time'(context) {
    const socket = await secure(context);
    const request = get('/metrics', `Authorization: Bearer ${context.madeUpSecret()}\r\n`);
    for (const byte of request.slice(0, 20)) {
      if (socket.destroyed) break;
      socket.write(byte);
      await pause(holdMs / 20);
    }
    socket.destroy();
  },
  async 'sends garbage'(context) {
    const socket = await plain(context);
    socket.write(randomBytes(500));
    await closed(socket, silenceMs);
  },
  async 'sends garbage over TLS'(context) {
    const socket = await secure(context);
    return grantedIn(await exchange(socket, randomBytes(500).toString('latin1')));
  },
  async 'has a unknown token'(context) {
    return grantedIn(await withToken(context, context.madeUpSecret()));
  },
  async 'has a unknown token signed'(context) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = part({
      iss: 'https://kubernetes.default.svc',
      aud: ['https://kubernetes.default.svc'],
      sub: 'system:serviceaccount:monitoring:soak',
      exp: Math.floor(Date.now() / 1000) + 600,
    });
    const [none, signed] = [part({ alg: 'none' }), part({ alg: 'ES256', kid: 'none' })];
    return (
      grantedIn(await withToken(context, `${none}.${claims}.`)) ??
      grantedIn(await withToken(context, `${signed}.${claims}.${context.madeUpSecret()}`))
    );
  },
  async 'says who it is'(context) {
    const socket = await secure(context);
    const headers = 'X-Remote-User: proxied\r\nX-Remote-Group: system:masters\r\n';
    return grantedIn(await exchange(socket, get('/metrics', headers)));
  },
  async 'is somebody else'(context) {
    const socket = await secure(context);
    const headers = `Authorization: Bearer ${context.token}\r\nImpersonate-User: admin\r\n`;
    return grantedIn(await exchange(socket, get('/metrics', headers)));
  },
  async 'sends many requests in one go'(context) {
    const socket = await secure(context);
    const bad = get('/metrics', `Authorization: Bearer ${context.madeUpSecret()}\r\n`);
    const scoped = get('/clusters/root/metrics', `Authorization: Bearer ${context.token}\r\n`);
    const answers = await exchange(socket, bad + get('/metrics') + scoped + bad);
    return grantedIn(answers);
  },
  async 'has its password in the query'(context) {
    const socket = await secure(context);
    const target = `/metrics?access_token=${context.madeUpSecret()}&x=1`;
    return grantedIn(await exchange(socket, get(target)));
  },
  async 'sends basic credentials, and cookies'(context) {
    const socket = await secure(context);
    const headers = `Authorization: Basic ${context.madeUpSecret()}\r\nCookie: session=${context.madeUpSecret()}\r\n`;
    return grantedIn(await exchange(socket, get('/metrics', headers)));
  },
  async 'sends too many headers'(context) {
    const socket = await secure(context);
    return grantedIn(await exchange(socket, get('/metrics', `X-A: ${'a'.repeat(1000)}\r\n`.repeat(100))));
  },
};

function get(target, headers = '') {
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

async function withToken(context, token) {
  return exchange(await secure(context), get('/metrics', `Authorization: Bearer ${token}\r\n`));
}

/** All that the server says until it is silent; then the connection is closed. */
async function exchange(socket, text) {
  let received = '';
  let isDone = socket.destroyed;
  socket.on('data', (data) => {
    received += data.toString('latin1');
  });
  socket.write(text, 'latin1');
  const expected = text.split('HTTP/1.1\r\n').length - 1;
  const deadline = performance.now() + silenceMs;
  while (!isDone && performance.now() < deadline) {
    await pause(20);
    isDone = socket.destroyed || (received.match(/^HTTP\/1\.1 /gm)?.length ?? 0) >= Math.max(1, expected);
  }
  socket.destroy();
  return received;
}

function grantedIn(received) {
  return /^HTTP\/1\.1 2\d\d /m.exec(received)?.[0].trim();
}

async function secure({ port, localAddress }) {
  const socket = connect({
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    localAddress,
    rejectUnauthorized: false,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect').catch(() => undefined);
  return socket;
}

async function plain({ port, localAddress }) {
  const socket = connectPlain({ host: '127.0.0.1', port, localAddress });
  socket.on('error', () => undefined);
  await once(socket, 'connect').catch(() => undefined);
  return socket;
}

async function hold(socket) {
  await closed(socket, holdMs);
}

async function closed(socket, atMostMs) {
  const over = new AbortController();
  await Promise.race([
    once(socket, 'close', { signal: over.signal }).catch(() => undefined),
    pause(atMostMs, undefined, { signal: over.signal }).catch(() => undefined),
  ]);
  over.abort();
  socket.destroy();
}
