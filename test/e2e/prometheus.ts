import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';
import type { TemporaryDirectory } from '../support/temporary-directory.js';

const program = 'prometheus';
const isInstalled = spawnSync(program, ['--version']).status === 0;
// A check that CI leaves out unseen is no check.
const isRequired = process.env['CI'] !== undefined && process.env['CI'] !== '';

/** For `describe.skipIf`. */
export const isPrometheusSkipped = !isInstalled && !isRequired;
if (isPrometheusSkipped) {
  process.stderr.write('Prometheus is NOT tested: it is not installed (apt-get install prometheus)\n');
}

export interface PrometheusOptions {
  /** For its configuration and its data. */
  readonly directory: TemporaryDirectory;
  /** Of the only target, on localhost. */
  readonly port: number;
  /** The authority of the target's certificate. */
  readonly caFile: string;
  /** With the bearer token. */
  readonly credentialsFile: string;
}

/** Debian's, which scrapes one target four times a second, with a bearer token. */
export class Prometheus {
  static async start({ directory, port, caFile, credentialsFile }: PrometheusOptions): Promise<Prometheus> {
    const config = {
      global: { scrape_interval: '250ms', scrape_timeout: '250ms' },
      scrape_configs: [
        {
          job_name: 'filter',
          scheme: 'https',
          tls_config: { ca_file: caFile },
          authorization: { credentials_file: credentialsFile },
          static_configs: [{ targets: [`localhost:${port}`] }],
        },
      ],
    };
    const address = `127.0.0.1:${await freePort()}`;
    const server = await ServerProcess.start({
      name: program,
      binary: program,
      args: [
        // JSON is YAML.
        `--config.file=${directory.write('prometheus.yml', JSON.stringify(config))}`,
        `--storage.tsdb.path=${join(directory.path, 'data')}`,
        `--web.listen-address=${address}`,
      ],
      logFile: join(directory.path, 'prometheus.log'),
      isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
    });
    return new Prometheus(server, `http://${address}/api/v1`);
  }

  private constructor(
    readonly server: ServerProcess,
    readonly api: string,
  ) {}

  /** The value of an expression that has one series; undefined where there is none yet. */
  async valueOf(expression: string): Promise<number | undefined> {
    const response = await fetch(`${this.api}/query?query=${encodeURIComponent(expression)}`);
    const { data } = (await response.json()) as {
      readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
    };
    const [series] = data.result;
    return series === undefined ? undefined : Number(series.value[1]);
  }

  /** Why the last scrape failed; empty where it did not. */
  async lastError(): Promise<string> {
    const response = await fetch(`${this.api}/targets`);
    const { data } = (await response.json()) as {
      readonly data: { readonly activeTargets: readonly { readonly lastError: string }[] };
    };
    return data.activeTargets[0]?.lastError ?? 'there is no target';
  }

  async stop(): Promise<void> {
    await this.server.end();
  }
}
