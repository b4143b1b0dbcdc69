import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../e2e/free-port.js';
import { listen } from '../support/listening.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, repository, startCommand, type Started } from './commands.js';
import { isSkippedWithout } from './prometheus-programs.js';
import { RunningPrometheus } from './running-prometheus.js';

const example = readFileSync(join(repository, 'examples/pushprox/prometheus.yml'), 'utf8');

/** As PushProx' proxy and client do: the parameter is taken away, and the request sent on over TLS with its headers. */
function sendOn(asked: IncomingMessage, answer: ServerResponse, credentials: string, port: string): void {
  const url = new URL(asked.url ?? '');
  const isHttps = url.searchParams.get('_scheme') === 'https';
  url.searchParams.delete('_scheme');
  if (!isHttps) {
    answer.writeHead(500).end();
    return;
  }
  const read = (file: string): Buffer => readFileSync(join(credentials, file));
  const sent = request(
    {
      host: '127.0.0.1',
      servername: 'localhost',
      port,
      path: `${url.pathname}${url.search}`,
      agent: false,
      headers: { ...asked.headers, id: 'd9bb8c0a-5b70-4b0f-a5d9-6d0a3a2a8c11' },
      ca: read('ca.crt'),
      cert: read('prometheus.crt'),
      key: read('prometheus.key'),
    },
    (scraped) => {
      answer.writeHead(scraped.statusCode ?? 500, scraped.headers);
      scraped.pipe(answer);
    },
  );
  sent.on('error', () => answer.destroy());
  sent.end();
}

/** What Prometheus asks in place of the shard, and the shard's name there. */
interface PushProx {
  readonly url: string;
  readonly target: string;
}

async function standIn(credentials: string, port: string): Promise<PushProx> {
  const server = await listen(
    createServer((asked, answer) => {
      sendOn(asked, answer, credentials, port);
    }),
  );
  return { url: `http://127.0.0.1:${server.port}/`, target: 'shard-1.example.org:6443' };
}

/** PushProx itself, built from its repository; the shard's name has to lead to it from here. */
const real = { proxy: process.env['PUSHPROX_PROXY'], client: process.env['PUSHPROX_CLIENT'] };

async function pushProx(credentials: string, port: string): Promise<PushProx> {
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}/`;
  const anyCode = expect.toSatisfy(() => true) as unknown;
  await startCommand(`${real.proxy ?? ''} --web.listen-address=${address}`, /Listening address/, anyCode);
  const files = `--tls.cacert=${credentials}/ca.crt --tls.cert=${credentials}/prometheus.crt --tls.key=${credentials}/prometheus.key`;
  await startCommand(
    `${real.client ?? ''} --proxy-url=${url} --fqdn=localhost --metrics-addr=127.0.0.1:0 ${files}`,
    /URL and FQDN info/,
    anyCode,
  );
  return { url, target: `localhost:${port}` };
}

const isRealMissing = real.proxy === undefined || real.client === undefined;

describe.skipIf(isSkippedWithout('examples/pushprox', 'prometheus', 'promtool')).each([
  { through: 'a stand-in for PushProx', start: standIn, isMissing: false },
  { through: 'PushProx (PUSHPROX_PROXY, PUSHPROX_CLIENT)', start: pushProx, isMissing: isRealMissing },
])('through $through', ({ start, isMissing }) => {
  const directory = temporaryDirectory();
  let shard: Started | undefined;
  let pushprox: PushProx | undefined;
  let prometheus: RunningPrometheus | undefined;

  beforeAll(async () => {
    if (isMissing) return;
    const credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    mkdirSync(join(directory.path, 'rbac'));
    const binding = 'rbac/prometheus-user.yaml';
    cpSync(join(repository, binding), join(directory.path, binding));
    shard = await startCommand(
      `DIRECTORY=${directory.path} examples/prometheus/start-server.sh shard 0`,
      /"url":"https:\/\/127\.0\.0\.1:(\d+)"/,
    );
    pushprox = await start(credentials, shard.found);
    const job = example
      .replace('scrape_interval: 30s', 'scrape_interval: 500ms')
      .replace('http://pushprox.example.org:8080/', pushprox.url)
      .replace('shard-1.example.org:6443', pushprox.target);
    const wrongPath = `
  - job_name: other-path
    proxy_url: ${pushprox.url}
    metrics_path: /metrics/filter
    params: { _scheme: [https] }
    static_configs: [{ targets: ['${pushprox.target}'] }]
`;
    const file = directory.write('prometheus.yml', job + wrongPath);
    prometheus = await RunningPrometheus.start(file, directory.path);
  });

  it.skipIf(isMissing)(
    'a shard is scraped under its own name, and nothing else of it is to be had',
    async () => {
      const found = async (): Promise<object> =>
        Object.fromEntries(
          ((await prometheus?.targets()) ?? []).map(({ labels, health, lastError }) => [
            `${labels['job'] ?? ''} ${labels['instance'] ?? ''}`,
            `${health} ${lastError}`.trim(),
          ]),
        );
      await expect.poll(found, { timeout: 20_000, interval: 100 }).toEqual({
        [`kcp-metrics-filter ${pushprox?.target ?? ''}`]: 'up',
        [`other-path ${pushprox?.target ?? ''}`]: 'down server returned HTTP status 403 Forbidden',
      });
      expect(await prometheus?.query('kcp_metrics_filter_scrapes_total')).not.toEqual([]);
    },
  );
});

it.skipIf(isSkippedWithout('examples/pushprox', 'promtool'))('is configured without a fault', () => {
  const args = ['check', 'config', join(repository, 'examples/pushprox/prometheus.yml')];
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  expect(stdout + stderr).toContain('SUCCESS');
  expect(status).toBe(0);
});
