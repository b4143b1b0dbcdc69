// A backend that holds metrics of several tenants. It believes X-Scope-OrgID, from the gateway's certificate alone.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';

const { CREDENTIALS = '/tmp/kcp-example/credentials', PORT = '9443' } = process.env;
const read = (file) => readFileSync(join(CREDENTIALS, file));

const series = new Map([
  ['acme', 'orders_total{shop="north"} 3\norders_total{shop="south"} 4\n'],
  ['globex', 'orders_total{shop="web"} 70\n'],
]);

const server = createServer(
  {
    cert: read('server.crt'),
    key: read('server.key'),
    ca: read('ca.crt'),
    requestCert: true,
    rejectUnauthorized: true,
  },
  (request, response) => {
    const answer = (status, text) => {
      response.writeHead(status, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    };
    if (request.socket.getPeerCertificate().subject?.CN !== 'tenant-gateway') {
      answer(403, 'only the gateway may ask\n');
      return;
    }
    const own = series.get(request.headers['x-scope-orgid'] ?? '');
    if (own === undefined) answer(404, 'no such tenant\n');
    else answer(200, `# HELP orders_total Orders.\n# TYPE orders_total counter\n${own}`);
  },
);

server.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write(`listening on https://127.0.0.1:${server.address().port}\n`);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
