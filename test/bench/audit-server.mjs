// Forked by audit.mjs: one process, so that all servers run the same compiled code on the same core.
import { createServer } from 'node:https';
import { join } from 'node:path';
import express from 'express';
import { AuditLog } from '../../dist/audit/audit-log.js';
import { createCertificateVerifier } from '../../dist/authentication/certificates/certificate-verifier.js';
import { clientCertificateAuthenticator } from '../../dist/authentication/certificates/client-certificate.js';
import { metricsFilter } from '../../dist/request/guard.js';
import { alwaysAllowGroups } from '../../dist/authorization/authorizer.js';

const body = Buffer.alloc(40_000, 'a_total 1\n');
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

process.once('message', (setup) => {
  void serve(setup);
});

async function serve({ certificate, privateKey, clientCa, group, directory }) {
  const guard = (onAuditEvent) =>
    metricsFilter({
      exposition: { contentType: () => contentType, render: () => Promise.resolve({ contentType, body }) },
      authenticators: [
        clientCertificateAuthenticator({ verifier: createCertificateVerifier({ authorities: clientCa }) }),
      ],
      authorizers: [alwaysAllowGroups([group])],
      onAuditEvent,
    });
  let lost = 0;
  const observer = {
    onLost: (count) => {
      lost += count;
    },
  };
  const log = (mode) => new AuditLog({ path: join(directory, `${mode}.log`), mode, observer }).write;
  // The ready server is told of each event anyway, for its log of refusals.
  const sinks = { none: () => undefined, batch: log('batch'), blocking: log('blocking') };
  const ports = {};
  for (const [name, sink] of Object.entries(sinks)) {
    const server = createServer(
      { cert: certificate, key: privateKey, requestCert: true, rejectUnauthorized: false },
      express().use(guard(sink)),
    );
    await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    ports[name] = server.address().port;
  }
  process.send({ ports });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send({ cpuMicros: user + system, lost });
  });
}
