import type { Registry } from 'prom-client';
import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { RestClientMetrics } from '../telemetry/outgoing-metrics.js';
import type { FollowedOptionFiles } from './followed-option-files.js';

/** What the options of a server are opened with. */
export interface Opening {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly telemetry: FilterMetrics;
  /** Of all requests to API servers. */
  readonly requests: RestClientMetrics;
  readonly files: FollowedOptionFiles;
  readonly opened: Opened;
}

interface Closable {
  close(): void | Promise<void>;
}

/** What a command has opened; closed in reverse order when the command ends. */
export class Opened {
  readonly #opened: Closable[] = [];

  /** Nothing if it is undefined. */
  add<Resource extends Closable | undefined>(resource: Resource): Resource {
    if (resource !== undefined) this.#opened.push(resource);
    return resource;
  }

  /** Closes all, even if closing one fails. */
  async close(): Promise<void> {
    const last = this.#opened.pop();
    if (last === undefined) return;
    try {
      await last.close();
    } finally {
      await this.close();
    }
  }
}

const nothing = (): void => undefined;
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export type HeldBackLogger = ReturnType<typeof heldBackLogger>;

/** A logger that holds back its lines until it is released, so that a failed start prints one line only. */
export function heldBackLogger(behind: Logger) {
  let held: (() => void)[] | undefined = [];
  const holding = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    const write = (): void => {
      behind[level](fields, message);
    };
    if (held === undefined) write();
    else held.push(write);
  };
  return {
    debug: holding('debug'),
    info: holding('info'),
    warn: holding('warn'),
    error: holding('error'),
    isLevelEnabled: (level: 'debug') => behind.isLevelEnabled?.(level) ?? true,
    release: () => {
      const lines = held ?? [];
      held = undefined;
      for (const write of lines) write();
    },
  };
}
