import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';

const request = Buffer.from('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');

/**
 * Asks for `/livez` on one connection at a steady pace. Resolves to how long each answer took (ms), those among them
 * that would have been asked for while one was late: else a server that stands still for a second would be seen to
 * once, not a hundred times.
 *
 * @param {number} port
 * @param {{ everyMs: number, milliseconds: number }} pace
 * @returns {Promise<readonly number[]>}
 */
export async function probe(port, { everyMs, milliseconds }) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  // It is closed then, which ends the wait for an answer.
  socket.on('error', () => undefined);
  const took = [];
  const deadline = performance.now() + milliseconds;
  try {
    while (performance.now() < deadline) {
      const elapsed = await answered(socket);
      took.push(elapsed);
      for (let late = elapsed - everyMs; late > 0; late -= everyMs) took.push(late);
      await pause(Math.max(0, everyMs - elapsed));
    }
    return took;
  } finally {
    socket.destroy();
  }
}

/** How long it took (ms). */
async function answered(socket) {
  const asked = performance.now();
  socket.write(request);
  const data = await nextData(socket);
  const answer = data.toString('latin1');
  if (!/^HTTP\/1\.1 200 [^]*ok$/.test(answer)) throw new Error(`/livez: ${answer.split('\r\n', 1)[0]}`);
  return performance.now() - asked;
}

function nextData(socket) {
  return new Promise((resolve, reject) => {
    const onClose = () => {
      reject(new Error('the server closed the connection'));
    };
    socket.once('close', onClose);
    socket.once('data', (data) => {
      socket.off('close', onClose);
      resolve(data);
    });
  });
}
