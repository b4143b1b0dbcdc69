// An API server of one's own whose /metrics is guarded as a kcp shard guards its own.
// Configuration comes from the environment; README.md has the commands.
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import {
  alwaysAllowGroups,
  apiserverMetrics,
  clientCertificateAuthenticator,
  createCertificateVerifier,
  directoryPolicySource,
  FilterMetrics,
  guardSteps,
  limitHandshakes,
  metricsFilter,
  openPolicy,
  rbacAuthorizer,
  registriesExposition,
} from 'kcp-metrics-filter';
import { registerPolicyMetrics } from 'kcp-metrics-filter/server';

const {
  TLS_CERT_FILE = 'tls.crt',
  TLS_PRIVATE_KEY_FILE = 'tls.key',
  CLIENT_CA_FILE = 'ca.crt',
  RBAC_DIR = fileURLToPath(new URL('rbac', import.meta.url)),
  PORT = '8443',
} = process.env;
const clientAuthorities = readFileSync(CLIENT_CA_FILE, 'utf8');

const registry = new Registry();
collectDefaultMetrics({ register: registry });
const greetings = new Counter({
  name: 'example_greetings_total',
  help: 'Greetings given.',
  registers: [registry],
});

// Rejects when a manifest is broken: better not to start than to start without the policy.
const { policy, close: closePolicy } = await openPolicy({
  sources: [
    directoryPolicySource({
      directory: RBAC_DIR,
      onWarning: (message) => process.stderr.write(`${message}\n`),
      onReload: (reload) =>
        process.stderr.write(`policy reload: ${reload.result === 'success' ? 'success' : reload.message}\n`),
    }),
  ],
});
registerPolicyMetrics(registry, () => policy.status());

/** One set of options for both the filter and the steps below, so that they cannot disagree. */
const options = {
  exposition: registriesExposition({ registries: [registry] }),
  authenticators: [
    clientCertificateAuthenticator({
      verifier: createCertificateVerifier({ authorities: clientAuthorities }),
    }),
  ],
  authorizers: [alwaysAllowGroups(['system:masters']), rbacAuthorizer({ policy })],
  telemetry: new FilterMetrics(registry),
};
const { authenticate, authorize } = guardSteps(options);

const app = express();
app.disable('x-powered-by');
// Policies know /debug/state and no other spelling of it; neither should the router.
app.enable('case sensitive routing');
app.enable('strict routing');

// Before everything, so that every request is counted, under Kubernetes' names.
app.use(apiserverMetrics({ registry }));

// Then, so that nothing mounted later can answer /metrics or a scoped form of it unguarded.
app.use(metricsFilter(options));

app.get('/api/v1/hello', (_request, response) => {
  greetings.inc();
  response.json({ hello: 'world' });
});

// The same steps guard any other route; what they ask for is the path as it was requested.
app.get('/debug/state', authenticate, authorize, (_request, response) => {
  const layers = policy.status();
  response.json({
    policy: layers.map(({ layer, state, clusterRoleBindings }) => ({ layer, state, clusterRoleBindings })),
  });
});

// Express' own error page would show a stack to the client.
app.use((error, _request, response, next) => {
  process.stderr.write(`request failed: ${error instanceof Error ? error.name : typeof error}\n`);
  if (response.headersSent) next(error);
  else response.status(500).type('text/plain').send('Internal Server Error\n');
});

const server = createServer(
  {
    cert: readFileSync(TLS_CERT_FILE),
    key: readFileSync(TLS_PRIVATE_KEY_FILE),
    minVersion: 'TLSv1.2',
    // Ask every client for a certificate. Without this none is ever sent, and every scrape is 401.
    requestCert: true,
    // But finish the handshake whatever comes: /api/v1/hello is for clients without a certificate, and the
    // authenticator judges chain, usage and validity itself, at every request rather than once a connection.
    // No `ca` beside it: of a chain that OpenSSL has verified against one, Node 24 shows the leaf alone.
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
await closePolicy();
