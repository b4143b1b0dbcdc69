import { once } from 'node:events';
import { connect } from 'node:tls';

const request = Buffer.from('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');

/**
 * Asks for `/livez` on one connection at a steady pace, whether or not the answer before has come: what waits for it
 * would ask once, not a hundred times, while a server stands still for a second. Resolves to how long each took (ms).
 *
 * @param {number} port
 * @param {{ everyMs: number, milliseconds: number }} pace
 * @returns {Promise<readonly number[]>}
 */
export async function probe(port, { everyMs, milliseconds }) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  try {
    const answerBytes = await firstAnswer(socket);
    return await paced(socket, answerBytes, everyMs, milliseconds);
  } finally {
    socket.destroy();
  }
}

/** How long it is; all are. */
async function firstAnswer(socket) {
  socket.write(request);
  const [answer] = await once(socket, 'data');
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200 ')) {
    throw new Error(`/livez: ${answer.toString('latin1').split('\r\n', 1)[0]}`);
  }
  return answer.length;
}

function paced(socket, answerBytes, everyMs, milliseconds) {
  return new Promise((resolve, reject) => {
    const asked = [];
    const took = [];
    let received = 0;
    let isOver = false;
    const started = performance.now();
    const timer = setInterval(() => {
      asked.push(performance.now());
      socket.write(request);
      isOver = performance.now() - started >= milliseconds;
      if (isOver) clearInterval(timer);
    }, everyMs);
    socket.on('data', (data) => {
      received += data.length;
      while (received >= answerBytes * (took.length + 1)) took.push(performance.now() - asked[took.length]);
      if (isOver && took.length === asked.length) resolve(took);
    });
    socket.once('close', () => {
      clearInterval(timer);
      reject(new Error('the server closed the connection'));
    });
  });
}
