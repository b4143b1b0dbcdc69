// Forked by upstream.mjs: a bare server and the filter, so that both run in one process on one core.
import { createServer } from 'node:https';
import { tokenFileAuthenticator } from '../../dist/authentication/tokens/token-file.js';
import { sharedExposition } from '../../dist/exposition/delivery/shared-exposition.js';
import { upstreamExposition } from '../../dist/exposition/sources/upstream/upstream.js';
import { metricsFilter } from '../../dist/request/guard.js';

process.once('message', ({ certificate, privateKey, tokens, upstream, bytes }) => {
  const body = Buffer.alloc(bytes, 'metric{label="value"} 12345\n');
  const passedOn = upstreamExposition({ url: upstream });
  const filter = (exposition) =>
    metricsFilter({
      exposition,
      authenticators: [tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' })],
      authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
    });
  const servers = {
    bare: (_request, response) => {
      response.writeHead(200, {
        'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
        'Content-Length': body.byteLength,
      });
      response.end(body);
    },
    'each scrape for itself': filter(passedOn),
    'scrapes shared': filter(sharedExposition(passedOn)),
  };
  void listen(servers, { cert: certificate, key: privateKey });
});

async function listen(servers, tls) {
  const ports = {};
  for (const [name, answer] of Object.entries(servers)) {
    const server = createServer(tls, (request, response) => {
      answer(request, response, () => response.writeHead(404).end());
    });
    await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    ports[name] = server.address().port;
  }
  process.send({ ports });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send({ cpuMicros: user + system });
  });
}
