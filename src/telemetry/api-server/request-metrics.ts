import { Counter, Gauge, Histogram, type HistogramConfiguration, type Registry } from 'prom-client';
import { FastHistogram } from './fast-histogram.js';
import { InflightWatermark } from './inflight-watermark.js';
import { other, type RequestLabels } from './request-labels.js';

const resourceLabels = ['group', 'version', 'resource', 'subresource', 'scope'] as const;
const labelNames = ['verb', ...resourceLabels, 'component'] as const;
const sliBuckets = [
  0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;

type LabelName = (typeof labelNames)[number];
type BucketedConfiguration<Name extends string> = HistogramConfiguration<Name> & {
  readonly buckets: number[];
};

/** What is known of requests with the same labels before a scrape asks. */
interface Tally {
  readonly withoutDryRun: Omit<RequestLabels, 'dry_run'>;
  readonly codes: Map<number, number>;
}

/** A request that was answered to its end. */
export interface AnsweredRequest {
  /** The same object for the same labels. */
  readonly labels: RequestLabels;
  readonly isWatch: boolean;
  readonly code: number;
  readonly seconds: number;
  /** The bytes of its answer's body; undefined where Kubernetes does not observe them. */
  readonly bodyBytes: number | undefined;
}

/** The metrics of Kubernetes' API servers, with their names, labels and buckets. */
export class RequestMetrics {
  readonly #seconds: FastHistogram<LabelName | 'dry_run'>;
  readonly #sliSeconds: FastHistogram<LabelName>;
  readonly #sizes: FastHistogram<LabelName>;
  readonly #longRunning: Gauge<LabelName>;
  readonly #aborts: Counter<Exclude<LabelName, 'component'>>;
  // As with histograms: what can wait until a scrape is counted here, without a look-up by nine labels.
  readonly #tallies = new Map<RequestLabels, Tally>();
  readonly inflight = { mutating: new InflightWatermark(), readOnly: new InflightWatermark() } as const;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    const histogram = <Name extends string>(
      configuration: BucketedConfiguration<Name>,
    ): FastHistogram<Name> =>
      new FastHistogram(new Histogram({ ...configuration, registers }), configuration.buckets);
    const tallies = this.#tallies;
    new Counter({
      name: 'apiserver_request_total',
      help: 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
      labelNames: [...labelNames, 'dry_run', 'code'],
      registers,
      collect() {
        for (const [labels, { codes }] of tallies) {
          for (const [code, count] of codes) this.inc({ ...labels, code: codeLabel(code) }, count);
          codes.clear();
        }
      },
    });
    this.#seconds = histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
      labelNames: [...labelNames, 'dry_run'],
      buckets: [0.005, 0.025, ...sliBuckets],
    });
    this.#sliSeconds = histogram({
      name: 'apiserver_request_sli_duration_seconds',
      help: 'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.',
      labelNames,
      buckets: [...sliBuckets],
    });
    this.#sizes = histogram({
      name: 'apiserver_response_sizes',
      help: 'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
      labelNames,
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
    });
    this.#longRunning = new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
      labelNames,
      registers,
    });
    this.#aborts = new Counter({
      name: 'apiserver_request_aborts_total',
      help: 'Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope',
      labelNames: ['verb', ...resourceLabels],
      registers,
    });
    const { inflight } = this;
    new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      labelNames: ['request_kind'],
      registers,
      collect() {
        const now = performance.now();
        this.set({ request_kind: 'mutating' }, inflight.mutating.peak(now));
        this.set({ request_kind: 'readOnly' }, inflight.readOnly.peak(now));
      },
    });
  }

  answered({ labels, isWatch, code, seconds, bodyBytes }: AnsweredRequest): void {
    const tally = this.#tallies.get(labels) ?? this.#tallyOf(labels);
    tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
    this.#seconds.observe(labels, seconds);
    // Kubernetes' service level counts neither dry runs nor watches, which last as long as the client likes.
    if (labels.dry_run === '' && !isWatch) this.#sliSeconds.observe(tally.withoutDryRun, seconds);
    if (bodyBytes !== undefined) this.#sizes.observe(tally.withoutDryRun, bodyBytes);
  }

  /** A request whose answer did not come to its end. */
  aborted({ verb, group, version, resource, subresource, scope }: RequestLabels): void {
    this.#aborts.inc({ verb, group, version, resource, subresource, scope });
  }

  /** One more is running; returns what to call at its end. */
  longRunning(request: RequestLabels): () => void {
    const labels = withoutDryRun(request);
    this.#longRunning.inc(labels);
    return () => {
      this.#longRunning.dec(labels);
    };
  }

  #tallyOf(labels: RequestLabels): Tally {
    const tally = { withoutDryRun: withoutDryRun(labels), codes: new Map<number, number>() };
    this.#tallies.set(labels, tally);
    return tally;
  }
}

function codeLabel(code: number): string {
  return code >= 100 && code <= 599 ? String(code) : other;
}

function withoutDryRun(labels: RequestLabels): Omit<RequestLabels, 'dry_run'> {
  const { verb, group, version, resource, subresource, scope, component } = labels;
  return { verb, group, version, resource, subresource, scope, component };
}
