// An API server with workspaces, as kcp has them, whose owners read the metrics of their own workspace and no other.
// Configuration comes from the environment; README.md has the commands.
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { apiserverMetrics, limitHandshakes, openMetricsFilter } from 'kcp-metrics-filter';

const {
  CREDENTIALS = '.',
  WORKSPACE_RBAC_DIR = fileURLToPath(new URL('workspaces', import.meta.url)),
  PORT = '8443',
} = process.env;
const credential = (file) => join(CREDENTIALS, file);

/** The notes of each workspace, by the name of its logical cluster. */
const notes = new Map([
  ['1shop', ['open at nine']],
  ['1mail', ['answer Ina', 'answer Tom']],
  ['1wiki', []],
]);

const registry = new Registry();
collectDefaultMetrics({ register: registry });
new Gauge({
  name: 'example_notes',
  help: 'Notes stored, by workspace.',
  labelNames: ['cluster'],
  registers: [registry],
  collect() {
    for (const [cluster, { length }] of notes) this.set({ cluster }, length);
  },
});

const app = express();
app.disable('x-powered-by');
// Counts and times requests by workspace.
app.use(apiserverMetrics({ registry, workspaceLabel: 'cluster' }));
// Then, so that nothing mounted later can answer a path of metrics unguarded.
const filter = await openMetricsFilter({
  registers: [registry],
  clientCaFile: credential('ca.crt'),
  serviceAccountKeyFile: [credential('service-account.pub')],
  serviceAccountIssuer: ['https://kubernetes.default.svc'],
  workspaceMetrics: true,
  workspaceRbacDir: WORKSPACE_RBAC_DIR,
});
app.use(filter);

app.get('/clusters/:cluster/api/v1/notes', (request, response) => {
  const items = notes.get(request.params.cluster);
  if (items === undefined) response.status(404).json({ message: 'no such workspace' });
  else response.json({ items });
});

const server = createServer(
  {
    cert: readFileSync(credential('server.crt')),
    key: readFileSync(credential('server.key')),
    minVersion: 'TLSv1.2',
    // Ask for a certificate, and leave it to the filter to judge it at every request.
    requestCert: true,
    rejectUnauthorized: false,
    // A resumed or renegotiated session would bring an identity from another handshake.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  },
  app,
);
// A chain of certificates is verified before anyone can be asked who sends it.
limitHandshakes(server);
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
process.stdout.write(`listening on https://127.0.0.1:${server.address().port}\n`);

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
server.close();
server.closeIdleConnections();
await once(server, 'close');
await filter.close();
