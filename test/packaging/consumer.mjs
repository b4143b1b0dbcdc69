// Uses the package as an application does that has installed it; prints one line when all is well.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { Gauge, Registry } from 'prom-client';
import * as library from 'kcp-metrics-filter';
import { bootstrapPolicy, startServer } from 'kcp-metrics-filter/server';

const {
  directoryPolicySource,
  metricsFilter,
  openMetricsFilter,
  openPolicy,
  rbacAuthorizer,
  registriesExposition,
  tokenFileAuthenticator,
} = library;

for (const [name, value] of Object.entries(library))
  if (typeof value === 'function') assert.equal(value.name, name);
assert.equal(typeof startServer, 'function');
assert.ok(bootstrapPolicy().length > 0);

// Chunks of commands are loaded when they run: whatever the package's modules import is in the package.
const dist = new URL('.', import.meta.resolve('kcp-metrics-filter'));
const published = readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.js'));
for (const file of published) {
  const module = new URL(file, dist);
  for (const [, imported] of readFileSync(module, 'utf8').matchAll(/^.*\b(?:from|import\() ?"(\.[^"]+)"/gm))
    assert.ok(existsSync(new URL(imported, module)), `${file} imports ${imported}`);
}
assert.ok(published.length > 10);

const registry = new Registry();
new Gauge({ name: 'answer', help: 'The answer.', registers: [registry] }).set(42);
// Large enough for a thread.
const rbacDir = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-consumer-'));
writeFileSync(
  join(rbacDir, 'roles.yaml'),
  Array.from(
    { length: 200 },
    (_, at) => `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "reader-${at}"}
rules: [{nonResourceURLs: ["/metrics"], verbs: [get]}]
`,
  ).join(''),
);
const opened = await openPolicy({ sources: [directoryPolicySource({ directory: rbacDir })] });
const { policy } = opened;
assert.equal(policy.status()[0].clusterRoles, 200);
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

writeFileSync('tokens.csv', 'u,admin,1,"system:monitoring"\n');
const filter = await openMetricsFilter({ registers: [registry], tokenAuthFile: 'tokens.csv' });
server.removeAllListeners('request').on('request', filter);
assert.match(await (await get('/metrics', { authorization: 'Bearer u' })).text(), /^answer 42$/m);
assert.equal((await get('/metrics', { authorization: 'Bearer t' })).status, 401);
assert.equal((await get('/elsewhere')).status, 404);
await filter.close();
server.close();
server.closeAllConnections();
await opened.close();
rmSync(rbacDir, { recursive: true });
process.stdout.write('consumer ok\n');
