import { tell } from '../../tell.js';
import { runInSlices, TimeSlice } from '../../time-slice.js';
import { inTime, largestTimerDelayMs } from '../../timer.js';
import { negotiateFormat, type NegotiatedFormat } from '../delivery/negotiation.js';
import { requireOptions, WorkersError } from '../exposition-errors.js';
import { workingMs, type Exposition, type ScrapeRequest } from '../exposition.js';
import { Collectors, type CollectorFailure, type FamilyMember } from '../sources/registries/collectors.js';
import { areRegistries, type AnyRegistry } from '../sources/registries/prom-client-metrics.js';
import { valueText } from '../sources/registries/series.js';
import { renderFamilies } from '../sources/registries/write-families.js';
import { collectParts } from './collect-parts.js';
import { FollowedWorker, type ReportFault } from './followed-worker.js';
import { mergeReports, RetainedReports } from './merge-reports.js';
import { isGroup } from './messages.js';
import { ReportBuilder, type Report, type ReportedFamily } from './report.js';
import type { WorkerChannel } from './worker-channel.js';
import { aList, checkOptions, optional } from '../../option-checks.js';

/** The part of `node:cluster` needed to find its workers. */
interface ClusterOfWorkers {
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
  /** Pass `node:cluster` to follow all its workers, also those started later. */
  readonly cluster?: ClusterOfWorkers;
  /** Workers to begin with: threads, message ports, forked processes. */
  readonly workers?: readonly WorkerChannel[];
  /** Of this process itself. Default: none. */
  readonly registries?: readonly AnyRegistry[];
  /**
   * What happens to the counters, histograms and summaries of a worker that is gone: `keep` (default) keeps them in the
   * sums, so that none falls; `drop` drops them, as prom-client does. Gauges are always dropped.
   */
  readonly deadWorkers?: 'keep' | 'drop';
  /** How long a scrape waits for a worker (ms), less if the scraper waits less. Default 5,000. */
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
  /** Stops following; from then on only this process's registries are served. Idempotent. */
  close(): void;
}

/**
 * One exposition for all workers that call `reportMetrics`: values of one series become one as the metric's
 * `aggregator` says, with the lines of prom-client's AggregatorRegistry. If a worker does not answer in
 * time, its last known values are used, so that no sum falls. Exemplars are left out.
 *
 * @throws WorkersError where an option is wrong.
 */
export function workersExposition(options: WorkersExpositionOptions): WorkersExposition {
  checkOptions(options, {
    registries: optional(aList('registries of prom-client')),
    workers: optional(aList('workers')),
  });
  const { cluster, workers = [], registries = [], deadWorkers = 'keep', timeoutMs = 5000 } = options;
  const { group = 'metrics', maxSamplesPerWorker: maxSamples = 1_000_000, openMetrics = false } = options;
  requireOptions(WorkersError, {
    'registries: pass registries of prom-client 15': areRegistries(registries),
    "deadWorkers: pass 'keep' or 'drop'": ['keep', 'drop'].includes(deadWorkers),
    'timeoutMs: pass a positive number of milliseconds': timeoutMs > 0 && timeoutMs <= largestTimerDelayMs,
    'maxSamplesPerWorker: pass a positive number': maxSamples > 0,
    'group: pass a name of at most 64 characters': isGroup(group),
  });
  const followed = new Map<FollowedWorker, WorkerChannel>();
  const retained = new RetainedReports();
  const collectors = new Collectors();
  const report = (failure: WorkersFailure): void => {
    tell('workersExposition', options.onFailure, failure);
  };
  const onFailure = (failure: CollectorFailure): void => {
    report({ kind: 'metric', ...failure });
  };
  const onGone = (gone: FollowedWorker): void => {
    followed.delete(gone);
    if (deadWorkers === 'keep' && gone.report !== undefined) retained.add(gone.report);
  };
  const follow = (channel: WorkerChannel): void => {
    if ([...followed.values()].includes(channel)) return;
    followed.set(new FollowedWorker(channel, { group, maxSamples, onGone }), channel);
  };
  for (const worker of [...Object.values(cluster?.workers ?? {}), ...workers]) {
    if (worker !== undefined) follow(worker);
  }
  cluster?.on('fork', follow);
  const negotiate = ({ accept }: ScrapeRequest): NegotiatedFormat => negotiateFormat(accept, openMetrics);

  const askAll = async (waitMs: number): Promise<void> => {
    const asked = [...followed].filter(([worker]) => worker.isHere);
    await Promise.all(
      asked.map(async ([worker, channel]) => {
        // Equal for all: a scraper with a shorter timeout must not cause gaps for others that share the question.
        const cause = await inTime(worker.ask(timeoutMs), waitMs);
        if (cause === 'reported') return;
        const served = worker.report === undefined ? 'left-out' : 'last-known';
        report({ kind: 'worker', worker: channel, cause, served });
      }),
    );
  };
  const ownReport = async (waitMs: number, slice: TimeSlice): Promise<Report> => {
    const builder = new ReportBuilder();
    const parts = collectParts(registries, collectors, { slice, timeoutMs: waitMs, onFailure });
    for await (const families of parts) for (const family of families) builder.add(family);
    return builder.report;
  };

  return {
    contentType: (request) => negotiate(request).contentType,
    async render(request) {
      const waitMs = Math.min(timeoutMs, workingMs(request));
      const slice = new TimeSlice().begin();
      const [own] = await Promise.all([ownReport(waitMs, slice), askAll(waitMs)]);
      // All in one turn of the event loop: a worker that is gone by now is counted once, among the retained.
      const living = [...followed.keys()].flatMap((worker) => worker.report ?? []);
      const merged = await runInSlices(mergeReports([own, ...living], retained.reports), slice);
      const members = [...merged.values()].map(mergedMember);
      return renderFamilies(members, { negotiated: negotiate(request), slice, isStrict: false, onFailure });
    },
    follow,
    close() {
      cluster?.off('fork', follow);
      for (const worker of followed.keys()) worker.close();
      followed.clear();
    },
  };
}

/** A merged family as the writer of registries takes it. */
function mergedMember({ name, help, type, samples, values }: ReportedFamily): FamilyMember {
  return {
    name,
    help,
    type,
    defaultLabels: {},
    open: ({ sampleName }) => ({
      length: samples.length,
      write(index) {
        const sample = samples[index] ?? '';
        // OpenMetrics names the samples of a counter otherwise.
        const isRenamed = sampleName !== name && sample.startsWith(name);
        const written = isRenamed ? sampleName + sample.slice(name.length) : sample;
        return `${written} ${valueText(values[index])}\n`;
      },
      identity: (index) => samples[index],
    }),
  };
}
