// Forked by livez.mjs: one server that has a large registry, with the filter or without.
import { createServer } from 'node:https';
import { Counter, Registry } from 'prom-client';
import { tokenFileAuthenticator } from '../../dist/authentication/tokens/token-file.js';
import { openExpositions } from '../../dist/options/exposition-options.js';
import { FollowedOptionFiles } from '../../dist/options/followed-option-files.js';
import { Opened } from '../../dist/options/starting.js';
import { startServer } from '../../dist/server/start-server.js';
import { FilterMetrics } from '../../dist/telemetry/filter-metrics.js';

const counters = 10;
const seriesOfEach = 10_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** By what the section calls them. */
const ways = {
  shared: (registry, setup) => guarded(registry, setup, {}),
  'not shared': (registry, setup) => guarded(registry, setup, { maxScrapesInFlight: 0 }),
  'prom-client': bare,
};

// Also where whoever forked it was killed.
process.once('disconnect', () => process.exit());

process.once('message', async ({ way, ...setup }) => {
  process.send({ port: await ways[way](largeRegistry(), setup) });
});

/** Served as `start` serves the metrics of its own process with these values of its flags. */
async function guarded(registry, { certificate, privateKey, tokens }, values) {
  const telemetry = new FilterMetrics(new Registry());
  const expositions = await openExpositions(values, {
    registry,
    telemetry,
    logger: silent,
    files: new FollowedOptionFiles(),
    opened: new Opened(),
  });
  const { port } = await startServer({
    ...expositions,
    tls: { certificate, privateKey },
    authenticators: [tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' })],
    authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
    alwaysAllowPaths: ['/livez'],
    telemetry,
    logger: silent,
  });
  return port;
}

async function bare(registry, { certificate, privateKey }) {
  const server = createServer({ cert: certificate, key: privateKey }, async (request, response) => {
    if (request.url === '/livez') {
      response.end('ok');
      return;
    }
    response.setHeader('Content-Type', registry.contentType);
    response.end(await registry.metrics());
  });
  // As the filter has it: Node's 5 s may be shorter than this server stands still.
  server.keepAliveTimeout = 75_000;
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server.address().port;
}

function largeRegistry() {
  const registry = new Registry();
  for (let at = 0; at < counters; at += 1) {
    const counter = new Counter({
      name: `requests_${at}_total`,
      help: 'Requests.',
      labelNames: ['namespace', 'resource', 'code'],
      registers: [registry],
    });
    for (let series = 0; series < seriesOfEach; series += 1) {
      const labels = { namespace: `namespace-${series % 100}`, resource: `resource-${series}`, code: '200' };
      counter.inc(labels, series);
    }
  }
  return registry;
}
