import { Registry } from 'prom-client';
import type { AuditSink } from '../audit/audit-event.js';
import type { Authenticator } from '../authentication/authenticator.js';
import type { RenderingPlaces } from '../exposition/delivery/rendering-limit.js';
import type { Exposition } from '../exposition/exposition.js';
import type { RegistriesExpositionOptions } from '../exposition/sources/registries-exposition.js';
import type { ReloadResult } from '../files/followed-files.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { Logger } from '../server/server-options.js';
import type { KeyPair } from '../server/serving-certificates.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { RestClientMetrics, ReviewMetrics } from '../telemetry/outgoing-metrics.js';
import { FollowedOptionFiles } from './followed-option-files.js';
import type { GivenOptions } from './option.js';
import { reviewEvents, type ReviewEvents } from './option-events.js';

/** Who opens the options of a server, and what is theirs. */
export interface Opener {
  readonly logger: Logger;
  readonly opened: Opened;
  /** Set with several workers: then the metrics of all are served. */
  readonly shared?: SharedByWorkers | undefined;
  /** Served before the filter's own metrics. Default: none. */
  readonly registers?: RegistriesExpositionOptions['registries'];
  /** Asked behind those of the options. Default: none. */
  readonly authenticators?: readonly Authenticator[];
  /** Told of each audit event behind the audit log. */
  readonly onAuditEvent?: AuditSink | undefined;
  /** How long API servers of the policy may take to answer (ms). */
  readonly policyWaitMs?: number;
}

/** What the options of a server are opened with. */
export interface Opening extends Opener {
  readonly registry: Registry;
  readonly telemetry: FilterMetrics;
  /** Of all requests to API servers. */
  readonly requests: RestClientMetrics;
  readonly reviews: ReviewEvents;
  readonly files: FollowedOptionFiles;
}

/** What the primary holds for all workers, as a worker sees it. */
export interface SharedByWorkers {
  /** A replica of the primary's policy; undefined if it has none. @throws UsageError */
  openPolicy(values: GivenOptions): Promise<OpenPolicy | undefined>;
  /** Reports this worker's registry under a path, and returns the exposition of all workers. */
  expositionOf(path: string, registry: Registry, own: Exposition): Exposition;
  /** Grants renderings across all workers; tells how many this worker has. */
  places(max: number, onChange: (underWay: number) => void): RenderingPlaces;
  /** The port to listen on instead of the one in the flag. */
  port(asked: number): number;
  /** The self-signed pair that all workers serve, in place of this worker's own. */
  selfSigned(pair: KeyPair): KeyPair;
}

export function openingOf(opener: Opener): Opening {
  const { logger } = opener;
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const reviews = reviewEvents(logger, new ReviewMetrics(registry), requests);
  return { ...opener, registry, telemetry, requests, reviews, files: followedFiles(opener, telemetry) };
}

/** Files whose reloads are logged and counted. */
export function followedFiles({ logger, opened }: Opener, telemetry: FilterMetrics): FollowedOptionFiles {
  const onReload = (flag: string, result: ReloadResult): void => {
    telemetry.fileReload(flag, result.result);
    if (result.result === 'success') logger.info({ flag }, 'file reloaded');
    else logger.error({ flag }, `${result.message}; the previous content stays in force`);
  };
  return opened.add(new FollowedOptionFiles(onReload, telemetry.fileFollowed.bind(telemetry)));
}

/** Opens one method of authentication; undefined if no option asks for it. @throws UsageError naming the option. */
export type OpenAuthenticator = (given: GivenOptions, opening: Opening) => Promise<Authenticator | undefined>;

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
