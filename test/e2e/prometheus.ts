import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { prometheusBinary } from './binaries.js';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import type { TemporaryDirectory } from '../support/temporary-directory.js';

export interface PrometheusOptions {
  /** For its configuration and its data. */
  readonly directory: TemporaryDirectory;
  /** Of the only target, on localhost. */
  readonly port: number;
  /** The authority of the target's certificate. */
  readonly caFile: string;
  /** With the bearer token. */
  readonly credentialsFile: string;
  /** Between two scrapes, and for each of them (ms). Default 3,000: a busy machine takes a good part of it. */
  readonly intervalMs?: number;
}

/** The newest, which scrapes one target with a bearer token, and writes down whatever it takes offence at. */
export class Prometheus {
  static async start({
    directory,
    port,
    caFile,
    credentialsFile,
    intervalMs = 3_000,
  }: PrometheusOptions): Promise<Prometheus> {
    return Prometheus.startWith(directory, {
      global: { scrape_interval: `${intervalMs}ms`, scrape_timeout: `${intervalMs}ms` },
      scrape_configs: [
        {
          job_name: 'filter',
          scheme: 'https',
          tls_config: { ca_file: caFile },
          authorization: { credentials_file: credentialsFile },
          static_configs: [{ targets: [`localhost:${port}`] }],
        },
      ],
    });
  }

  /** With a configuration of one's own. */
  static async startWith(directory: TemporaryDirectory, config: object): Promise<Prometheus> {
    const address = `127.0.0.1:${await freePort()}`;
    const logFile = join(directory.path, 'prometheus.log');
    const server = await ServerProcess.start({
      name: 'prometheus',
      binary: prometheusBinary,
      args: [
        // JSON is YAML.
        `--config.file=${directory.write('prometheus.yml', JSON.stringify(config))}`,
        `--storage.tsdb.path=${join(directory.path, 'data')}`,
        `--web.listen-address=${address}`,
        // What it says of scrapes that fail, and of samples that it refuses.
        '--log.level=debug',
      ],
      logFile,
      isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
    });
    return new Prometheus(server, `http://${address}`, logFile);
  }

  private constructor(
    readonly server: ServerProcess,
    readonly origin: string,
    readonly logFile: string,
  ) {}

  get api(): string {
    return `${this.origin}/api/v1`;
  }

  /** The value of an expression that has one series; undefined where there is none yet. */
  async valueOf(expression: string): Promise<number | undefined> {
    const [series] = await this.#query(expression);
    return series === undefined ? undefined : valueIn(series);
  }

  /** The values of an expression by one of its labels. */
  async valuesOf(expression: string, label: string): Promise<ReadonlyMap<string, number>> {
    const series = await this.#query(expression);
    return new Map(series.map((one) => [one.metric[label] ?? '', valueIn(one)]));
  }

  /**
   * What it took offence at in scrapes so far: what its log says of them, and samples that it counted as out of
   * order, doubled or out of bounds.
   */
  async complaints(): Promise<readonly string[]> {
    const log = readFileSync(this.logFile, 'utf8').split('\n');
    const own = await (await fetch(`${this.origin}/metrics`)).text();
    return [
      ...log.filter((line) => /level=(?:WARN|ERROR)|(?:Append|Scrape) failed|sample|series/.test(line)),
      ...own.split('\n').filter((line) => /^prometheus_target_scrapes_\w+_total(?:\{.*\})? [^0]/.test(line)),
    ];
  }

  /** Why the last scrape failed; empty where it did not. */
  async lastError(): Promise<string> {
    return (await this.targets())[0]?.lastError ?? 'there is no target';
  }

  /** By the names of their jobs, in order. */
  async targets(): Promise<readonly ScrapedTarget[]> {
    const response = await fetch(`${this.api}/targets`);
    const { data } = (await response.json()) as {
      readonly data: { readonly activeTargets: ScrapedTarget[] };
    };
    return data.activeTargets
      .map(({ scrapePool, health, lastError }) => ({ scrapePool, health, lastError }))
      .sort((one, other) => (one.scrapePool < other.scrapePool ? -1 : 1));
  }

  async stop(): Promise<void> {
    await this.server.end();
  }

  async #query(expression: string): Promise<readonly QueriedSeries[]> {
    const response = await fetch(`${this.api}/query?query=${encodeURIComponent(expression)}`);
    const answer = (await response.json()) as {
      readonly data?: { readonly result: readonly QueriedSeries[] };
      readonly error?: string;
    };
    if (answer.data === undefined) throw new Error(`${expression}: ${answer.error ?? response.statusText}`);
    return answer.data.result;
  }
}

interface ScrapedTarget {
  /** The job's name in the configuration. */
  readonly scrapePool: string;
  readonly health: string;
  readonly lastError: string;
}

interface QueriedSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

function valueIn({ value: [, text] }: QueriedSeries): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}
