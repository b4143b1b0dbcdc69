// Forked by throughput.mjs: one process, so that both servers run the same compiled code on the same core.
import { createServer } from 'node:https';
import { join } from 'node:path';
import express from 'express';
import { Counter, Registry } from 'prom-client';
import { createCertificateVerifier } from '../../dist/authentication/certificates/certificate-verifier.js';
import { clientCertificateAuthenticator } from '../../dist/authentication/certificates/client-certificate.js';
import { tokenFileAuthenticator } from '../../dist/authentication/tokens/token-file.js';
import { registriesExposition } from '../../dist/exposition/sources/registries-exposition.js';
import { AuditLog } from '../../dist/audit/audit-log.js';
import { guardedServer, metricsFilter } from '../../dist/request/guard.js';
import { FilterMetrics } from '../../dist/telemetry/filter-metrics.js';
import { Policy } from '../../dist/policy/policy.js';
import { policyShapes } from './policies.mjs';
import { alwaysAllowGroups, alwaysAllowPaths } from '../../dist/authorization/authorizer.js';
import { rbacAuthorizer } from '../../dist/authorization/authorizer.js';

const expositionBytes = 40_000;

process.once('message', (setup) => {
  void serve(setup);
});

async function serve({ certificate, privateKey, clientCa, user, tokens, directory }) {
  const policy = new Policy({ layers: ['root'] });
  policy.sink('root').replace([
    ...policyShapes[0].objects(1000),
    {
      kind: 'ClusterRoleBinding',
      name: 'bench',
      role: 'system:kcp:metrics-reader',
      subjects: [{ kind: 'User', name: user }],
      replicated: true,
    },
  ]);
  const options = (exposition) => ({
    exposition,
    authenticators: [
      clientCertificateAuthenticator({ verifier: createCertificateVerifier({ authorities: clientCa }) }),
      tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' }),
    ],
    authorizers: [
      alwaysAllowGroups(['system:masters']),
      alwaysAllowPaths(['/healthz', '/readyz', '/livez']),
      rbacAuthorizer({ policy }),
    ],
  });
  const guard = (exposition) => metricsFilter(options(exposition));
  const registry = expositionRegistry();
  const rendered = registriesExposition({ registries: [registry] });
  const { body, contentType } = await rendered.render({ accept: '' });
  const ready = { contentType: () => contentType, render: () => Promise.resolve({ body, contentType }) };

  const apps = {
    ungated: express().get('/metrics', (_request, response, next) => {
      ready.render({ accept: '' }).then((exposition) => {
        response.setHeader('Content-Type', exposition.contentType);
        response.setHeader('Content-Length', Buffer.byteLength(exposition.body));
        response.end(exposition.body);
      }, next);
    }),
    gated: express().use(guard(ready)),
    'gated, all on': express().use(
      guardedServer(
        {
          ...options(ready),
          telemetry: new FilterMetrics(new Registry()),
          requestLimits: { perSecondByAddress: 1_000_000, perSecondByIdentity: 1_000_000 },
          onAuditEvent: new AuditLog({ path: join(directory, 'audit.log') }).write,
        },
        { unscopedPaths: [], routes: [], listeners: [], listensToAll: false },
      ),
    ),
    'ungated, prom-client': express().get('/metrics', (_request, response, next) => {
      registry.metrics().then((text) => {
        response.setHeader('Content-Type', registry.contentType);
        response.setHeader('Content-Length', Buffer.byteLength(text));
        response.end(text);
      }, next);
    }),
    'gated, prom-client': express().use(guard(rendered)),
  };
  const ports = {};
  for (const [name, app] of Object.entries(apps)) {
    const server = createServer(
      { cert: certificate, key: privateKey, ca: clientCa, requestCert: true, rejectUnauthorized: false },
      app,
    );
    await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    ports[name] = server.address().port;
  }
  process.send({ ports, bytes: Buffer.byteLength(body) });
  process.on('message', () => {
    const { user: userMicros, system } = process.cpuUsage();
    process.send({ cpuMicros: userMicros + system });
  });
}

function expositionRegistry() {
  const registry = new Registry();
  const counter = new Counter({
    name: 'apiserver_request_total',
    help: 'Counter of requests by verb, resource and code.',
    labelNames: ['verb', 'resource', 'code'],
    registers: [registry],
  });
  const bytesPerSeries = 75;
  for (let series = 0; series < expositionBytes / bytesPerSeries; series += 1) {
    counter.inc({ verb: 'LIST', resource: `resource-${String(series).padStart(4, '0')}`, code: 200 }, series);
  }
  return registry;
}
