import { gunzipSync } from 'node:zlib';
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { encodedExposition } from '../../src/exposition/delivery/encoded-exposition.js';
import { registriesExposition } from '../../src/exposition/sources/registries-exposition.js';
import { sharedExposition } from '../../src/exposition/delivery/shared-exposition.js';
import { recordedShardMetrics } from '../exposition/text-format/expositions.js';
import { isPrometheusSkipped } from './binaries.js';
import { differences, sumsOf } from './exposition-sums.js';
import { applicationOfTest, filterOfTest, prometheusOfTest, upstreamOfTest } from './ingested.js';
import type { Prometheus } from './prometheus.js';
import { promtoolOn } from './promtool.js';
import { scrapeOnce } from './scrape-once.js';
import { servingPlace, type ServingPlace } from './serving-place.js';

const settles = { timeout: 60_000, interval: 100 };

/** As Prometheus asks for it. */
const accept =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

const recorded = recordedShardMetrics().toString();
const manySeries = 100_000;

interface Served {
  readonly port: number;
  /** By name. */
  readonly sums: ReadonlyMap<string, number>;
  /** Whether something else may stand there, too. */
  readonly mayHave?: (name: string) => boolean;
  /** Of promtool, of the metrics as they were before. */
  readonly remarks: readonly string[];
  /** Whether more series may come from one scrape to the next. */
  readonly mayGrow?: boolean;
}

interface Variant {
  readonly served: string;
  readonly format?: 'OpenMetrics';
  readonly coding?: 'identity';
  readonly serve: (place: ServingPlace) => Promise<Served>;
}

const ofMergingFilter = [
  'kcp_metrics_filter_upstream_up',
  'kcp_metrics_filter_upstream_scrape_duration_seconds',
];

async function proxied(
  place: ServingPlace,
  flags: readonly string[],
  text: string,
  added: readonly string[] = [],
): Promise<Served> {
  const { port } = await filterOfTest(place, flags);
  return {
    port,
    sums: sumsOf(text),
    remarks: promtoolOn(text).remarks,
    mayHave: (name) => added.includes(name),
  };
}

const variants: readonly Variant[] = [
  { served: "an application's registry", serve: (place) => application(place, registryOfEachType(), false) },
  {
    served: "an application's registry, as OpenMetrics",
    format: 'OpenMetrics',
    serve: (place) => application(place, registryOfEachType(), true),
  },
  {
    served: "an application's registry of 100,000 series",
    serve: (place) => application(place, largeRegistry(), false),
  },
  {
    served: "an application's registry of 100,000 series, as OpenMetrics",
    format: 'OpenMetrics',
    serve: (place) => application(place, largeRegistry(), true),
  },
  {
    served: "a recorded shard's metrics, passed on",
    serve: async (place) => proxied(place, [`--upstream=${await upstreamOfTest(recorded)}`], recorded),
  },
  {
    served: "a recorded shard's metrics, passed on and not compressed",
    coding: 'identity',
    serve: async (place) =>
      proxied(place, [`--upstream=${await upstreamOfTest(recorded)}`, '--disable-compression'], recorded),
  },
  {
    served: "a recorded shard's metrics, with other labels",
    serve: async (place) => {
      const flags = ['--rename-labels=resource=what,code=status', `--max-series=${manySeries}`];
      return proxied(place, [`--upstream=${await upstreamOfTest(recorded)}`, ...flags], recorded);
    },
  },
  {
    served: "a recorded shard's metrics, without some",
    serve: async (place) => {
      const flags = ['--keep-metrics=apiserver_*,workqueue_*', '--drop-metrics=apiserver_storage_*'];
      const all = await proxied(place, [`--upstream=${await upstreamOfTest(recorded)}`, ...flags], recorded);
      const kept = ([name]: readonly [string, number]): boolean =>
        /^(?:apiserver|workqueue)_/.test(name) && !name.startsWith('apiserver_storage_');
      return { ...all, sums: new Map([...all.sums].filter(kept)) };
    },
  },
  {
    served: "two recorded shards' metrics, merged",
    serve: async (place) => {
      const url = await upstreamOfTest(recorded);
      const all = await proxied(place, [`--upstream=root=${url},second=${url}`], recorded, ofMergingFilter);
      return { ...all, sums: new Map([...all.sums].map(([name, sum]) => [name, 2 * sum])) };
    },
  },
  {
    served: 'an application beside one that speaks OpenMetrics alone, which cannot be merged',
    serve: async (place) => {
      const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
      const open = await upstreamOfTest('# EOF\n', openMetrics);
      const text = await registryOfEachType().metrics();
      return proxied(
        place,
        [`--upstream=open=${open},plain=${await upstreamOfTest(text)}`],
        text,
        ofMergingFilter,
      );
    },
  },
  {
    served: '100,000 series, merged and with other labels',
    serve: async (place) => {
      const text = await largeRegistry().metrics();
      const [first, second] = [await upstreamOfTest(text), await upstreamOfTest(recorded)];
      const flags = [`--upstream=first=${first},second=${second}`, '--rename-labels=shop=store'];
      const all = await proxied(place, flags, text, ofMergingFilter);
      return {
        ...all,
        sums: new Map([...sumsOf(recorded), ...all.sums]),
        remarks: promtoolOn(recorded + text).remarks,
      };
    },
  },
  { served: "the filter's own metrics", serve: (place) => ownMetrics(place, []) },
  {
    served: "the filter's own metrics, as OpenMetrics",
    format: 'OpenMetrics',
    serve: (place) => ownMetrics(place, ['--enable-open-metrics']),
  },
];

describe.skipIf(isPrometheusSkipped)('Prometheus ingests without a complaint', () => {
  const cases = variants.map((variant) => [variant.served, variant] as const);
  it.each(cases)('%s', async (_served, { format, coding = 'gzip', serve }) => {
    const place = await servingPlace();
    const { port, sums, mayHave = () => false, remarks, mayGrow = false } = await serve(place);
    const headers = { Accept: accept, 'Accept-Encoding': 'gzip' };
    const direct = await scrapeOnce(place, port, { headers });
    expect(direct.status).toBe(200);
    expect(direct.headers['content-type']).toContain(
      format === 'OpenMetrics' ? 'application/openmetrics-text' : 'text/plain',
    );
    expect(direct.headers['content-encoding'] ?? 'identity').toBe(coding);
    const body = coding === 'gzip' ? gunzipSync(direct.body) : direct.body;
    if (format === undefined) {
      const verdict = promtoolOn(body);
      expect(verdict).toMatchObject({ isReadable: true });
      expect(verdict.remarks.filter((remark) => !remarks.includes(remark))).toEqual([]);
    }

    // A busy machine takes seconds to send and ingest 100,000 series.
    const everyMs = body.length > 1_000_000 ? 15_000 : undefined;
    const prometheus = await prometheusOfTest(place, port, everyMs);
    await expect.poll(() => prometheus.valueOf('scrape_samples_scraped > 0'), settles).toBeDefined();
    expect(await prometheus.lastError()).toBe('');
    expect(await prometheus.valueOf('up')).toBe(1);
    expect(differences(await ingested(prometheus), sums).filter((one) => !mayHave(one.name))).toEqual([]);
    const series = body
      .toString()
      .split('\n')
      .filter((line) => /^[^#]/.test(line)).length;
    const scraped = await prometheus.valueOf('scrape_samples_scraped');
    if (mayGrow) expect(scraped).toBeGreaterThanOrEqual(series);
    else expect(scraped).toBe(series);
    expect(await prometheus.valueOf('scrape_samples_scraped - scrape_samples_post_metric_relabeling')).toBe(
      0,
    );
    expect(await prometheus.complaints()).toEqual([]);
  });
});

/** Sums by name, without what Prometheus adds of its own. */
async function ingested(prometheus: Prometheus): Promise<ReadonlyMap<string, number>> {
  const all = await prometheus.valuesOf('sum by (__name__) ({job="filter"})', '__name__');
  return new Map([...all].filter(([name]) => !/^(?:up$|scrape_)/.test(name)));
}

/** Most of them move. */
async function ownMetrics(place: ServingPlace, flags: readonly string[]): Promise<Served> {
  const { port } = await filterOfTest(place, flags);
  const { body } = await scrapeOnce(place, port);
  const standing = ['nodejs_version_info', 'process_start_time_seconds'];
  return {
    port,
    sums: new Map([...sumsOf(body.toString())].filter(([name]) => standing.includes(name))),
    mayHave: (name) => !standing.includes(name),
    remarks: promtoolOn(body).remarks,
    // The first garbage collection of a kind brings its histogram.
    mayGrow: true,
  };
}

async function application(place: ServingPlace, registry: Registry, openMetrics: boolean): Promise<Served> {
  const rendered = encodedExposition(registriesExposition({ registries: [registry], openMetrics }));
  const { port } = await applicationOfTest(place, sharedExposition(rendered, { perUser: false }));
  const text = await registry.metrics();
  return { port, sums: sumsOf(text), remarks: promtoolOn(text).remarks };
}

function registryOfEachType(): Registry {
  const registry = new Registry();
  const registers = [registry];
  const counter = new Counter({ name: 'orders_total', help: 'Orders.', labelNames: ['shop'], registers });
  counter.inc({ shop: 'a' }, 3);
  counter.inc({ shop: 'ü "quoted" \\ and\nbroken' }, 7.5);
  const gauge = new Gauge({
    name: 'queue_depth',
    help: 'Depth, with a \\ and\na line.',
    labelNames: ['kind'],
    registers,
  });
  gauge.set({ kind: 'negative' }, -1.5e-9);
  gauge.set({ kind: 'large' }, 9_007_199_254_740_991);
  new Gauge({ name: 'unbounded', help: 'Infinity.', registers }).set(Infinity);
  new Gauge({ name: 'unknown', help: 'No number.', registers }).set(NaN);
  const histogram = new Histogram({
    name: 'latency_seconds',
    help: 'Latency.',
    labelNames: ['path'],
    registers,
  });
  const summary = new Summary({ name: 'size_bytes', help: 'Size.', registers });
  for (const value of [0.001, 0.2, 30]) {
    histogram.observe({ path: '/a' }, value);
    summary.observe(value * 1000);
  }
  return registry;
}

function largeRegistry(): Registry {
  const registry = new Registry();
  const counter = new Counter({
    name: 'sold_total',
    help: 'Sold.',
    labelNames: ['shop', 'item'],
    registers: [registry],
  });
  for (let at = 0; at < manySeries; at += 1)
    counter.inc({ shop: `shop-${at % 100}`, item: `item-${at}` }, at);
  return registry;
}
