import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { startLimited } from './limited-server.js';

it('a connection that cannot be accepted is logged, ten times a second at most, and ends nothing', async () => {
  const lines: object[] = [];
  const silent = () => undefined;
  const server = await startLimited({
    logger: { debug: silent, info: silent, warn: silent, error: (fields) => lines.push(fields) },
    // The only way to the listening socket that a request has.
    scopedEndpoint: (request, response) => {
      const { server: listening } = request.socket as Socket & { readonly server: Server };
      for (let fault = 0; fault < 50; fault += 1) listening.emit('error', new Error('accept EMFILE'));
      response.end();
    },
  });
  expect((await server.scrape('', '127.0.0.1', '/clusters/root/metrics')).status).toBe(200);
  expect(lines.length).toBeGreaterThanOrEqual(10);
  expect(lines.length).toBeLessThanOrEqual(20);
  expect(lines[0]).toEqual({ error: 'Error' });
  expect((await server.scrape('scraper-token')).status).toBe(200);
});
