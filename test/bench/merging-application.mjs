// Forked by merging.mjs: an application whose exposition prom-client writes anew for each scrape, 2 MB of histograms;
// or one that has the same bytes ready, at /ready.
import { createServer } from 'node:http';
import { Histogram, Registry } from 'prom-client';

process.once('message', async ({ families }) => {
  const registry = new Registry();
  for (let family = 0; family < families; family += 1) {
    const histogram = new Histogram({
      name: `apiserver_request_${family}_duration_seconds`,
      help: 'Response latency in seconds for each verb and resource.',
      labelNames: ['component', 'resource', 'scope', 'verb', 'version'],
      registers: [registry],
    });
    for (let series = 0; series < 10; series += 1) {
      const resource = `resource-${series}`;
      histogram.observe(
        { component: 'apiserver', resource, scope: 'namespace', verb: 'LIST', version: 'v1' },
        series / 7,
      );
    }
  }
  const ready = Buffer.from(await registry.metrics());
  const server = createServer(async (request, response) => {
    const body = request.url === '/ready' ? ready : Buffer.from(await registry.metrics());
    response.writeHead(200, { 'Content-Type': registry.contentType, 'Content-Length': body.byteLength });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port, bytes: ready.byteLength });
  });
});
