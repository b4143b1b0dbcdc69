// Uses the package as an application does that has installed it; prints one line when all is well.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import express from 'express';
import { Gauge, Registry } from 'prom-client';
import {
  metricsFilter,
  openPolicy,
  rbacAuthorizer,
  registriesExposition,
  tokenFileAuthenticator,
} from 'kcp-metrics-filter';

const registry = new Registry();
new Gauge({ name: 'answer', help: 'The answer.', registers: [registry] }).set(42);
const { policy } = await openPolicy({ sources: [] });
const tokens = tokenFileAuthenticator({ text: 't,admin,1,"system:monitoring"\n', file: 'tokens.csv' });
const app = express();
app.use(
  metricsFilter({
    exposition: registriesExposition({ registries: [registry] }),
    authenticators: [tokens],
    authorizers: [rbacAuthorizer({ policy })],
  }),
);
const server = createServer(app).listen(0, '127.0.0.1');
await once(server, 'listening');
const get = (path, headers = {}) => fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers });
const allowed = await get('/metrics', { authorization: 'Bearer t' });
assert.equal(allowed.status, 200);
assert.match(await allowed.text(), /^answer 42$/m);
assert.equal((await get('/metrics')).status, 401);
assert.equal((await get('/clusters/root/metrics')).status, 501);
server.close();
server.closeAllConnections();
process.stdout.write('consumer ok\n');
