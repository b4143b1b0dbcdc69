import { join } from 'node:path';
import { startCommand, type Started } from './commands.js';

export interface Target {
  readonly labels: Readonly<Record<string, string>>;
  readonly health: string;
  readonly lastError: string;
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A real one, on a free port of 127.0.0.1, with its data in a directory. */
export class RunningPrometheus {
  static async start(configFile: string, directory: string, flags = ''): Promise<RunningPrometheus> {
    const started = await startCommand(
      `prometheus --config.file=${configFile} --storage.tsdb.path=${join(directory, 'data')} --web.listen-address=127.0.0.1:0 ${flags}`,
      /msg="Listening on".* address=(\S+)/,
    );
    return new RunningPrometheus(started);
  }

  private constructor(private readonly started: Started) {}

  /** Where it listens, such as `127.0.0.1:9090`. */
  get address(): string {
    return this.started.found;
  }

  async targets(): Promise<readonly Target[]> {
    const { data } = (await this.#get('targets')) as {
      readonly data: { readonly activeTargets: readonly Target[] };
    };
    return data.activeTargets;
  }

  /** The series of an expression. Throws where Prometheus cannot parse it. */
  async query(expression: string): Promise<readonly Series[]> {
    const path = `query?query=${encodeURIComponent(expression)}`;
    const { data, error } = (await this.#get(path)) as {
      readonly data?: { readonly result: readonly Series[] };
      readonly error?: string;
    };
    if (data === undefined) throw new Error(`${expression}: ${error ?? ''}`);
    return data.result;
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(`http://${this.address}/api/v1/${path}`);
    return response.json();
  }
}
