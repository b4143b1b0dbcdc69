import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range that outgoing connections take their ports from: a server that is down for a while finds its
// port free when it comes back.
const lowest = 20_000;
const highest = 32_000;

const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on, and that is given out once in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
