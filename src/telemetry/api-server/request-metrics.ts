import { Counter, type Registry } from 'prom-client';
import { counts, fastHistogram, gauge, register } from '../metric-table.js';
import { other, type RequestLabels } from './request-labels.js';

const labelNames = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const;
const sliBuckets = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const buckets = [0.005, 0.025, ...sliBuckets];
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** Requests with the same labels, counted until the next scrape. */
interface Tally {
  readonly withoutDryRun: Omit<RequestLabels, 'dry_run'>;
  readonly codes: Map<number, number>;
}

/** A request whose answer was sent completely. */
interface AnsweredRequest {
  /** The same object for the same labels. */
  readonly labels: RequestLabels;
  readonly isWatch: boolean;
  readonly code: number;
  readonly seconds: number;
  /** The size of the answer's body (bytes); undefined where Kubernetes does not observe it. */
  readonly bodyBytes: number | undefined;
}

/** The metrics of Kubernetes' API servers. @throws Error where the registry already holds one of the names. */
export function requestMetrics(registry: Registry) {
  // As with histograms: counted here until a scrape, without a look-up by nine labels.
  const tallies = new Map<RequestLabels, Tally>();
  const inflight = { mutating: new InflightWatermark(), readOnly: new InflightWatermark() } as const;
  const metrics = register(registry, {
    total: () =>
      new Counter({
        name: 'apiserver_request_total',
        help: 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
        labelNames: [...labelNames, 'dry_run', 'code'],
        registers: [registry],
        collect() {
          for (const [labels, { codes }] of tallies) {
            for (const [code, count] of codes) this.inc({ ...labels, code: codeLabel(code) }, count);
            codes.clear();
          }
        },
      }),
    seconds: fastHistogram(
      'apiserver_request_duration_seconds',
      buckets,
      'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
      [...labelNames, 'dry_run'],
    ),
    sliSeconds: fastHistogram(
      'apiserver_request_sli_duration_seconds',
      sliBuckets,
      'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.',
      labelNames,
    ),
    sizes: fastHistogram(
      'apiserver_response_sizes',
      sizeBuckets,
      'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
      labelNames,
    ),
    longRunning: gauge(
      'apiserver_longrunning_requests',
      'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
      { labels: labelNames },
    ),
    abort: counts<string[]>(
      'apiserver_request_aborts_total{verb,group,version,resource,subresource,scope}',
      'Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope',
    ),
    inflight: gauge(
      'apiserver_current_inflight_requests',
      'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      {
        labels: ['request_kind'],
        read: () =>
          Object.entries(inflight).map(([kind, watermark]) => [
            { request_kind: kind },
            watermark.peak(performance.now()),
          ]),
      },
    ),
  });
  const tallyOf = (labels: RequestLabels): Tally => {
    let tally = tallies.get(labels);
    if (tally === undefined)
      tallies.set(labels, (tally = { withoutDryRun: withoutDryRun(labels), codes: new Map() }));
    return tally;
  };
  return {
    inflight,
    answered({ labels, isWatch, code, seconds, bodyBytes }: AnsweredRequest): void {
      const tally = tallyOf(labels);
      tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
      metrics.seconds.observe(labels, seconds);
      // Kubernetes leaves dry runs and watches out of the SLI: a watch lasts as long as the client likes.
      if (labels.dry_run === '' && !isWatch) metrics.sliSeconds.observe(tally.withoutDryRun, seconds);
      if (bodyBytes !== undefined) metrics.sizes.observe(tally.withoutDryRun, bodyBytes);
    },
    /** A request whose answer was not sent completely. */
    aborted({ verb, group, version, resource, subresource, scope }: RequestLabels): void {
      metrics.abort(verb, group, version, resource, subresource, scope);
    },
    /** Counts a running request; returns the function to call at its end. */
    longRunning(request: RequestLabels): () => void {
      const labels = withoutDryRun(request);
      metrics.longRunning.inc(labels);
      return () => {
        metrics.longRunning.dec(labels);
      };
    },
  };
}

export function codeLabel(code: number): string {
  return code >= 100 && code <= 599 ? String(code) : other;
}

function withoutDryRun(labels: RequestLabels): Omit<RequestLabels, 'dry_run'> {
  const { verb, group, version, resource, subresource, scope, component } = labels;
  return { verb, group, version, resource, subresource, scope, component };
}

const windowMs = 1000;

/**
 * The largest number of requests in flight in the last second, as in Kubernetes: a gauge read at a scrape would miss
 * what happens between two. Keeps the maximum of this second and of the one before, without a timer.
 */
export class InflightWatermark {
  #inflight = 0;
  #windowStart = 0;
  #peak = 0;
  #peakBefore = 0;

  /** `now` in ms of a clock that never goes back. */
  rise(now: number): void {
    this.#roll(now);
    this.#inflight += 1;
    this.#peak = Math.max(this.#peak, this.#inflight);
  }

  fall(now: number): void {
    this.#roll(now);
    this.#inflight -= 1;
  }

  peak(now: number): number {
    this.#roll(now);
    return Math.max(this.#peak, this.#peakBefore);
  }

  #roll(now: number): void {
    const elapsed = now - this.#windowStart;
    if (elapsed < windowMs) return;
    this.#peakBefore = elapsed < 2 * windowMs ? this.#peak : this.#inflight;
    this.#peak = this.#inflight;
    this.#windowStart = now;
  }
}
