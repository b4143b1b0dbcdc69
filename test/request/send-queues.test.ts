import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { portsOf, sendQueues } from '../../src/request/answer/write-deadline.js';
import { atEnd } from '../support/ending.js';

/** Both ends of a connection over IPv4 or IPv6. */
async function connection(host: string): Promise<readonly [server: Socket, client: Socket]> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect((server.address() as AddressInfo).port, host);
  const [socket] = (await accepted) as [Socket];
  atEnd(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return [socket, client];
}

describe.runIf(process.platform === 'linux')('the send queues of the kernel', () => {
  it.each(['127.0.0.1', '::1'])(
    'show what the other end has not taken, and that it does (%s)',
    async (host) => {
      const [server, client] = await connection(host);
      client.pause();
      const ports = portsOf(server);
      const held = async (): Promise<number> => (await sendQueues(new Set([ports])))?.get(ports) ?? 0;
      expect(await held()).toBe(0);
      const written = new Promise((resolve) => server.write(Buffer.alloc(32 * 1024 * 1024), resolve));
      await expect.poll(held).toBeGreaterThan(64 * 1024);
      client.resume();
      await written;
      await expect.poll(held).toBe(0);
    },
  );

  it('are looked at for those alone that are asked for', async () => {
    const [server, client] = await connection('127.0.0.1');
    client.pause();
    server.write(Buffer.alloc(32 * 1024 * 1024));
    await expect.poll(async () => (await sendQueues(new Set([portsOf(server)])))?.size).toBe(1);
    expect(await sendQueues(new Set(['FFFF:FFFF']))).toEqual(new Map());
  });
});
