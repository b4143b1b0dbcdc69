import { TimeSlice } from '../../time-slice.js';
import type { Exposition, ScrapeRequest } from '../exposition.js';
import { negotiateFormat, type NegotiatedFormat } from '../delivery/negotiation.js';
import type { CollectorFailure } from '../sources/registries.js';
import { Collectors } from '../sources/registries/collectors.js';
import { joinNegotiated } from '../sources/registries/families.js';
import { defaultLabelsOf, type AnyRegistry } from '../sources/registries/registry-metrics.js';
import { wholeOrStreamed } from '../body.js';
import { writeFamilies } from '../sources/registries/write-families.js';
import { collectParts } from './collect-parts.js';
import { FollowedWorker, type ReportFault } from './followed-worker.js';
import { mergeReports, type Contribution } from './merge-reports.js';
import { mergedMember } from './merged-member.js';
import { isGroup } from './messages.js';
import { ReportBuilder } from './report.js';
import { RetainedReports } from './retained-reports.js';
import { runStepsInSlices } from './steps-in-slices.js';
import { tell } from '../../tell.js';
import type { WorkerChannel } from './worker-channel.js';
import { largestTimerDelayMs } from '../../timer.js';
import { WorkersError } from '../exposition-errors.js';

/** As much of `node:cluster` as its workers are found by. */
export interface ClusterOfWorkers {
  readonly workers?: Readonly<Record<string, WorkerChannel | undefined>> | undefined;
  on(event: 'fork', listener: (worker: WorkerChannel) => void): unknown;
  off(event: 'fork', listener: (worker: WorkerChannel) => void): unknown;
}

/** That a worker's metrics are not those of this scrape, or one of the own metrics was left out. */
export type WorkersFailure =
  | {
      readonly kind: 'worker';
      readonly worker: WorkerChannel;
      readonly cause: 'timeout' | ReportFault;
      /** `last-known`: its metrics as of an earlier scrape are served; `left-out`: there are none. */
      readonly served: 'last-known' | 'left-out';
    }
  | ({ readonly kind: 'metric' } & CollectorFailure);

export interface WorkersExpositionOptions {
  /** Pass `node:cluster`, and all its workers are followed, also those that are started later. */
  readonly cluster?: ClusterOfWorkers;
  /** Workers to begin with: threads, message ports, forked processes. */
  readonly workers?: readonly WorkerChannel[];
  /** Of this process itself. Default: none. */
  readonly registries?: readonly AnyRegistry[];
  /**
   * What becomes of counters, histograms and summaries of a worker that is gone: `keep` (default) goes on counting
   * them in, so that no sum falls; `drop` does as prom-client. Gauges go in any case.
   */
  readonly deadWorkers?: 'keep' | 'drop';
  /** How long a scrape waits for a worker (ms), less where the scraper waits less. Default 5,000. */
  readonly timeoutMs?: number;
  /** Samples of one worker beyond which its report is refused. Default 1,000,000. */
  readonly maxSamplesPerWorker?: number;
  /** Whether scrapers that ask for OpenMetrics get it. Default false. */
  readonly openMetrics?: boolean;
  /** Which `reportMetrics` are meant, where workers have several. Default `metrics`. */
  readonly group?: string;
  readonly onFailure?: (failure: WorkersFailure) => void;
}

export interface WorkersExposition extends Exposition {
  /** Follows one more worker until it is gone. @throws WorkersError where it is none. */
  follow(worker: WorkerChannel): void;
  /** Stops following; what is served from then on is the own registries alone. Idempotent. */
  close(): void;
}

/** Of work in one go (ms). */
const sliceMs = 4;
/** What is left of a scraper's timeout for merging, writing and sending (ms). */
const sendingMs = 500;
/**
 * One exposition for all workers that call `reportMetrics`: values of one series become one as the metric's
 * `aggregator` says, with the lines of prom-client's AggregatorRegistry. One that does not answer in time keeps
 * nobody waiting: its last known values stand in, so that no sum falls. Exemplars are left out.
 *
 * @throws WorkersError where an option is wrong.
 */
export function workersExposition(options: WorkersExpositionOptions): WorkersExposition {
  check(options);
  const { cluster, registries = [], deadWorkers = 'keep', timeoutMs = 5000, onFailure } = options;
  const { group = 'metrics', maxSamplesPerWorker: maxSamples = 1_000_000, openMetrics = false } = options;
  const followed = new Map<FollowedWorker, WorkerChannel>();
  const retained = new RetainedReports();
  const collectors = new Collectors();
  const report = (failure: WorkersFailure): void => {
    tell('workersExposition', onFailure, failure);
  };
  const onGone = (gone: FollowedWorker): void => {
    followed.delete(gone);
    if (deadWorkers === 'keep' && gone.report !== undefined) retained.add(gone.report);
  };
  const follow = (channel: WorkerChannel): void => {
    if ([...followed.values()].includes(channel)) return;
    followed.set(new FollowedWorker(channel, { group, maxSamples, onGone }), channel);
  };
  for (const worker of [...Object.values(cluster?.workers ?? {}), ...(options.workers ?? [])]) {
    if (worker !== undefined) follow(worker);
  }
  cluster?.on('fork', follow);
  const negotiate = ({ accept }: ScrapeRequest): NegotiatedFormat => negotiateFormat(accept, openMetrics);

  const askAll = async (waitMs: number): Promise<void> => {
    const asked = [...followed].filter(([worker]) => worker.isHere);
    await Promise.all(
      asked.map(async ([worker, channel]) => {
        // As long for everybody: a scraper in a hurry must not leave gaps in what others get of the same question.
        const cause = await inTime(worker.ask(timeoutMs), waitMs);
        if (cause === 'reported') return;
        const served = worker.report === undefined ? 'left-out' : 'last-known';
        report({ kind: 'worker', worker: channel, cause, served });
      }),
    );
  };
  const ownReport = async (waitMs: number, slice: TimeSlice): Promise<Contribution> => {
    const builder = new ReportBuilder();
    const parts = collectParts(registries, {
      collectors,
      slice,
      timeoutMs: waitMs,
      onFailure: (failure) => {
        report({ kind: 'metric', ...failure });
      },
    });
    for await (const families of parts) for (const family of families) builder.add(family);
    return { report: builder.report(), isRetained: false };
  };

  return {
    contentType: (request) => negotiate(request).contentType,
    async render(request) {
      const waitMs = Math.min(timeoutMs, waitingMs(request));
      const slice = new TimeSlice(sliceMs);
      slice.begin();
      const [own] = await Promise.all([ownReport(waitMs, slice), askAll(waitMs)]);
      // All in one turn of the event loop: a worker that is gone by now is retained, and counted once.
      const reports = [...followed.keys()].flatMap((worker) => worker.report ?? []);
      const living = reports.map((one): Contribution => ({ report: one, isRetained: false }));
      const merged = await runStepsInSlices(
        mergeReports([own, ...living, ...retained.contributions()]),
        slice,
      );
      const members = [...merged.values()].map(mergedMember);
      const { contentType, joined } = await joinNegotiated(members, negotiate(request), slice);
      for (const { metric } of joined.conflicts) report({ kind: 'metric', metric, cause: 'duplicate-name' });
      const chunks = writeFamilies(joined.all, joined.format, slice, {
        onDuplicate: (metric) => {
          report({ kind: 'metric', metric, cause: 'duplicate-series' });
        },
        onFailure: (metric, error) => {
          report({ kind: 'metric', metric, cause: 'collect-failed', error });
        },
      });
      return wholeOrStreamed(contentType, chunks);
    },
    follow,
    close() {
      cluster?.off('fork', follow);
      for (const worker of followed.keys()) worker.close();
      followed.clear();
    },
  };
}

async function inTime<Outcome>(outcome: Promise<Outcome>, timeoutMs: number): Promise<Outcome | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, 'timeout');
  });
  try {
    return await Promise.race([outcome, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long to wait for workers, where the scraper does not wait forever. */
function waitingMs({ timeoutSeconds = Infinity }: ScrapeRequest): number {
  const timeoutMs = timeoutSeconds * 1000;
  return Math.max(timeoutMs - sendingMs, timeoutMs / 2);
}

function check(options: WorkersExpositionOptions): void {
  const { registries = [], deadWorkers = 'keep', timeoutMs = 1, maxSamplesPerWorker = 1, group } = options;
  if (!registries.every((registry) => defaultLabelsOf(registry) !== undefined)) {
    throw new WorkersError('registries: pass registries of prom-client 15');
  }
  if (!['keep', 'drop'].includes(deadWorkers)) throw new WorkersError("deadWorkers: pass 'keep' or 'drop'");
  if (!(timeoutMs > 0 && timeoutMs <= largestTimerDelayMs)) {
    throw new WorkersError('timeoutMs: pass a positive number of milliseconds');
  }
  if (!(maxSamplesPerWorker > 0)) throw new WorkersError('maxSamplesPerWorker: pass a positive number');
  if (group !== undefined && !isGroup(group)) {
    throw new WorkersError('group: pass a name of at most 64 characters');
  }
}
