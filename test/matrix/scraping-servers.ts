import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { prometheusBinary } from '../e2e/binaries.js';
import { freePort } from '../e2e/free-port.js';
import { ServerProcess } from '../e2e/server-process.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { both, type Outcome, type Scraper, type Side, type Target } from './scraper.js';

const deadlineMs = 120_000;

interface Program {
  readonly name: string;
  readonly binary: string;
  readonly argsOf: (place: { config: string; data: string; address: string }) => readonly string[];
  /** What can be said of the target's format. */
  readonly formatOf: (target: Target) => object;
  /** What makes the last scrape's samples visible to queries. */
  readonly flush?: string;
  readonly hasExemplars?: boolean;
}

export const prometheus = serverScraper({
  name: 'prometheus',
  binary: prometheusBinary,
  argsOf: ({ config, data, address }) => [
    `--config.file=${config}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=${address}`,
    '--enable-feature=exemplar-storage',
  ],
  formatOf: ({ asked }) => {
    const { scrape_protocols, metric_name_escaping_scheme } = asked ?? {};
    return { scrape_protocols, metric_name_escaping_scheme };
  },
  hasExemplars: true,
});

export const victoriaMetrics = serverScraper({
  name: 'victoria-metrics',
  binary: fileURLToPath(new URL('.bin-victoriametrics/victoria-metrics', import.meta.url)),
  argsOf: ({ config, data, address }) => [
    `-promscrape.config=${config}`,
    `-storageDataPath=${data}`,
    `-httpListenAddr=${address}`,
    '-search.latencyOffset=0s',
    '-search.disableCache',
  ],
  formatOf: ({ asked }) => (asked === undefined ? {} : { headers: [`Accept: ${asked.accept}`] }),
  flush: '/internal/force_flush',
});

function serverScraper(program: Program): Scraper {
  return {
    missing: existsSync(program.binary) ? undefined : `${program.name} is not built`,
    async scrape(targets, intervalSeconds) {
      const directory = temporaryDirectory();
      const address = `127.0.0.1:${await freePort()}`;
      const jobs = both.map((side) => jobOf(side, targets[side], program, intervalSeconds));
      // JSON is YAML.
      const config = directory.write('config.yml', JSON.stringify({ scrape_configs: jobs }));
      const server = await ServerProcess.start({
        name: program.name,
        binary: program.binary,
        args: program.argsOf({ config, data: join(directory.path, 'data'), address }),
        logFile: join(directory.path, 'log'),
        isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
      });
      return {
        next: (side) => nextOutcome(`http://${address}`, side, program),
        async stop() {
          await server.end();
        },
      };
    },
  };
}

function jobOf(side: Side, target: Target, program: Program, intervalSeconds: number): object {
  const { scheme, port, path, caFile, certificateFile, keyFile, tokenFile } = target;
  return {
    job_name: side,
    scheme,
    metrics_path: path,
    scrape_interval: `${intervalSeconds}s`,
    scrape_timeout: `${intervalSeconds}s`,
    ...(caFile && { tls_config: { ca_file: caFile, cert_file: certificateFile, key_file: keyFile } }),
    ...(tokenFile && { authorization: { credentials_file: tokenFile } }),
    ...program.formatOf(target),
    static_configs: [{ targets: [`localhost:${port}`] }],
  };
}

interface ActiveTarget {
  readonly labels: { readonly job: string };
  readonly lastError: string;
}

async function nextOutcome(origin: string, side: Side, { flush, hasExemplars }: Program): Promise<Outcome> {
  const query = async (expression: string): Promise<readonly Queried[]> => {
    const url = `${origin}/api/v1/query?query=${encodeURIComponent(expression)}`;
    return (await dataOf<{ result: readonly Queried[] }>(url)).result;
  };
  const selector = `{job="${side}"}`;
  const deadline = performance.now() + deadlineMs;
  // One that is under way has begun before.
  const from = Date.now();
  for (;;) {
    if (flush !== undefined) await fetch(`${origin}${flush}`);
    // It is stored together with the series, or without any where the scrape has failed.
    const [up] = await query(`timestamp(up${selector})`);
    if (up !== undefined && Number(up.value[1]) * 1_000 >= from) break;
    if (performance.now() > deadline) throw new Error(`${side}: no scrape within ${deadlineMs} ms`);
    await setTimeout(50);
  }
  // All that was stored before it was.
  if (flush !== undefined) await fetch(`${origin}${flush}`);
  const series = (await query(selector)).flatMap(ownSeries);
  const exemplars = hasExemplars === true ? await exemplarsOf(origin, encodeURIComponent(selector)) : [];
  const { activeTargets } = await dataOf<{ activeTargets: readonly ActiveTarget[] }>(
    `${origin}/api/v1/targets`,
  );
  const target = activeTargets.find(({ labels }) => labels.job === side);
  return { series: [...series, ...exemplars].sort(), error: target?.lastError ?? 'there is no target' };
}

interface Queried {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

const written = (name: string, labels: Readonly<Record<string, string>>, value: string): string =>
  `${name}${JSON.stringify(Object.fromEntries(Object.entries(labels).sort()))} ${value}`;

function ownSeries({ metric, value: [, value] }: Queried): readonly string[] {
  const { __name__: name = '', ...given } = metric;
  const labels = Object.fromEntries(
    Object.entries(given).filter(([label]) => !/^(?:job|instance)$/.test(label)),
  );
  return /^(?:up$|scrape_)/.test(name) ? [] : [written(name, labels, value)];
}

async function exemplarsOf(origin: string, selector: string): Promise<readonly string[]> {
  const range = `start=${Date.now() / 1_000 - 600}&end=${Date.now() / 1_000 + 600}`;
  const all = await dataOf<
    readonly { seriesLabels: Readonly<Record<string, string>>; exemplars: readonly Exemplar[] }[]
  >(`${origin}/api/v1/query_exemplars?query=${selector}&${range}`);
  return all.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.flatMap(({ labels, value }) =>
      ownSeries({ metric: seriesLabels, value: [0, ''] }).map(
        (one) => `${one}# ${written('', labels, value)}`,
      ),
    ),
  );
}

interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

async function dataOf<Data>(url: string): Promise<Data> {
  const answer = (await (await fetch(url)).json()) as { readonly data?: Data; readonly error?: string };
  if (answer.data === undefined) throw new Error(`${url}: ${answer.error ?? 'no data'}`);
  return answer.data;
}
