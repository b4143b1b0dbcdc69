import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import { Counter, Histogram, Registry, type RegistryContentType } from 'prom-client';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { registriesExposition } from '../../src/exposition/sources/registries-exposition.js';
import type { AnyRegistry } from '../exposition/sources/registries/rendered.js';
import { isRequired } from '../support/required.js';
import {
  rowNames,
  rows,
  scraperNames,
  scrapers as titles,
  withTables,
  type Cell,
  type Habit,
  type RowName,
  type ScraperName,
} from './definition.js';
import { Exchanges, type Exchange } from './exchanges.js';
import { cutOff, labelled, large, negotiating, send, text } from './expositions.js';
import type { Asked, Outcome, Scraper, Scraping, Target } from './scraper.js';
import { expfmt, prometheusClient, telegraf } from './scraping-libraries.js';
import { prometheus, victoriaMetrics } from './scraping-servers.js';
import {
  guardedBy,
  guardedInApplication,
  placeOfTest,
  unguarded,
  type Place,
  type Token,
} from './setting.js';

const scrapers: Readonly<Record<ScraperName, Scraper>> = {
  prometheus,
  victoriametrics: victoriaMetrics,
  telegraf,
  expfmt,
  'prometheus-client': prometheusClient,
};

const textType = 'text/plain; version=0.0.4; charset=utf-8';
const largeText = large(100_000);

/** What a row has to come to: `same`: as from the unguarded server, and something; `none`: an error, and no series. */
type Expected = 'same' | 'none';

interface Row {
  readonly expected?: Expected | ((scraper: ScraperName) => Expected);
  /** The status that the filter answers. Default 200. */
  readonly status?: number;
  /** What the unguarded server answers, and the filter's upstream. */
  readonly answer?: Parameters<typeof unguarded>[0];
  /** The filter's. Default: that upstream. */
  readonly flags?: (place: Place, upstream: string) => readonly string[];
  readonly guarded?: (place: Place) => Promise<number>;
  readonly path?: string;
  readonly by?: 'certificate' | Token;
  /** Ends the token file. */
  readonly tokenEnd?: string;
  readonly asked?: Asked;
  /** Between two scrapes, and for each of them. Default 3. */
  readonly intervalSeconds?: number;
  /** Why a scraper has no such row. */
  readonly without?: Partial<Record<ScraperName, string>>;
  /** Once the first scrape is over. */
  readonly then?: (
    place: Place,
    port: number,
    scraping: Scraping,
    exchanges: () => readonly Exchange[],
  ) => Promise<void>;
  /** Runs until the row is over. */
  readonly meanwhile?: (place: Place, port: number) => () => Promise<void>;
}

const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const openMetricsAccept = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5';
const ownFile = 'its caller reads the file';
const isOwn = { expfmt: ownFile, 'prometheus-client': ownFile };

const escaping = (scheme: string): Row => ({
  asked: {
    scrape_protocols: ['PrometheusText1.0.0'],
    metric_name_escaping_scheme: scheme,
    accept: `text/plain;version=1.0.0;escaping=${scheme}`,
  },
});

const table: Readonly<Record<RowName, Row>> = {
  certificate: { by: 'certificate' },
  rotated: {
    without: isOwn,
    async then(place, port, scraping, exchanges) {
      place.accept('scraper', 'next');
      await expect.poll(() => statusFor(place, port, 'next'), settles).toBe(200);
      place.tokenFile('next');
      const bearer = place.authorizationOf('next');
      await expect
        .poll(async () => {
          await scraping.next('guarded');
          return exchanges().at(-1)?.authorization === bearer;
        }, settles)
        .toBe(true);
      place.accept('next');
      await scraping.next('guarded');
      expect(exchanges().filter(({ status = 200 }) => status !== 200)).toEqual([]);
    },
  },
  lineFeed: {
    without: isOwn,
    tokenEnd: '\n',
    // It never gets as far as the filter.
    expected: (scraper) => (scraper === 'telegraf' ? 'none' : 'same'),
  },
  unauthenticated: { by: 'unknown', status: 401, expected: 'none' },
  forbidden: { by: 'stranger', status: 403, expected: 'none' },
  limited: {
    status: 429,
    expected: 'none',
    flags: (_place, upstream) => [`--upstream=${upstream}`, '--max-requests-per-second-by-identity=1'],
    meanwhile: exhaustingTheLimit,
  },
  scoped: { path: '/clusters/root:org/metrics', status: 501, expected: 'none' },
  maintenance: {
    status: 503,
    expected: 'none',
    flags: ({ maintenanceFile }, upstream) => [
      `--upstream=${upstream}`,
      `--maintenance-file=${maintenanceFile}`,
    ],
  },
  redirected: { path: '//metrics' },
  gzip: {},
  exemplars: { asked: { scrape_protocols: ['OpenMetricsText1.0.0'], accept: openMetricsAccept } },
  registries: {
    asked: { scrape_protocols: ['OpenMetricsText1.0.0'], accept: openMetricsAccept },
    answer: (incoming, response) => {
      void asPromClientHasIt(ownRegistry()).then((body) => {
        send(openMetricsType, body)(incoming, response);
      });
    },
    guarded: (place) =>
      guardedInApplication(place, registriesExposition({ registries: [ownRegistry()], openMetrics: true })),
  },
  underscores: escaping('underscores'),
  dots: escaping('dots'),
  values: escaping('values'),
  utf8: escaping('allow-utf-8'),
  text1: { asked: { scrape_protocols: ['PrometheusText1.0.0'], accept: 'text/plain;version=1.0.0' } },
  protobuf: {
    without: { victoriametrics: 'reads none', 'prometheus-client': 'reads none' },
    asked: {
      scrape_protocols: ['PrometheusProto'],
      accept:
        'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,text/plain;version=0.0.4;q=0.3',
    },
  },
  // A busy machine takes a good part of it.
  large: { answer: send(textType, largeText), intervalSeconds: 20 },
  merged: {
    answer: (incoming, response) => {
      const part = { '/whole': send(textType, text), '/broken': cutOff('length') }[incoming.url ?? ''];
      (part ?? send(textType, labelled('upstream="whole"')))(incoming, response);
    },
    flags: (_place, upstream) => {
      const [whole, broken] = ['whole', 'broken'].map(
        (name) => `${name}=${upstream.replace('metrics', name)}`,
      );
      return [`--upstream=${whole},${broken}`];
    },
  },
  cutLength: { answer: cutOff('length'), status: 502, expected: 'none' },
  cutChunks: { answer: cutOff('chunks'), expected: 'none' },
  cutClose: { answer: cutOff('neither'), status: 502, expected: 'none' },
};

const settles = { timeout: 60_000, interval: 100 };
const habits = new Map<ScraperName, Habit>();
const cells = new Map<RowName, Map<ScraperName, Cell | string>>();
const exchanges = new Exchanges();
const pages = new URL('../../docs/scrapers.md', import.meta.url);

afterAll(() => {
  exchanges.stop();
  // Of a run of all rows alone.
  if (rowNames.every((row) => cells.get(row)?.size === scraperNames.length)) {
    writeFileSync(pages, withTables(readFileSync(pages, 'utf8'), habits, cells));
  }
});

describe.each(rowNames)('%s', (name) => {
  const row = table[name];
  const found = new Map<ScraperName, Cell | string>();
  cells.set(name, found);
  for (const scraper of scraperNames) {
    const { missing } = scrapers[scraper];
    const absent = row.without?.[scraper] ?? (isRequired ? undefined : missing);
    if (absent !== undefined) {
      found.set(scraper, absent);
      process.stderr.write(`${rows[name]}, ${titles[scraper]}: NOT run: ${absent}\n`);
    }
    it.skipIf(absent !== undefined)(titles[scraper], { timeout: 180_000 }, async () => {
      if (missing !== undefined) throw new Error(missing);
      found.set(scraper, await expectedCell(scraper, row));
    });
  }
});

async function expectedCell(scraper: ScraperName, row: Row): Promise<Cell> {
  const { answer = negotiating, path = '/metrics', by = 'scraper', asked, tokenEnd } = row;
  const { intervalSeconds = 3 } = row;
  const place = await placeOfTest();
  const bare = await unguarded(answer);
  const upstream = `http://127.0.0.1:${bare}/metrics`;
  const flags = row.flags?.(place, upstream) ?? [`--upstream=${upstream}`];
  const port = await (row.guarded?.(place) ?? guardedBy(place, flags));
  const { caFile, certificateFile, keyFile } = place;
  const credentials =
    by === 'certificate' ? { certificateFile, keyFile } : { tokenFile: place.tokenFile(by, tokenEnd) };
  const guarded: Target = { scheme: 'https', port, path, caFile, asked, ...credentials };
  const stopMeanwhile = row.meanwhile?.(place, port);
  const scraping = await scrapers[scraper].scrape(
    { guarded, unguarded: { scheme: 'http', port: bare, path: '/metrics', asked } },
    intervalSeconds,
  );
  onTestFinished(async () => {
    await scraping.stop();
    await stopMeanwhile?.();
  });
  const seen = (): readonly Exchange[] =>
    exchanges.at(port).filter(({ userAgent }) => userAgent !== ofThisTest);
  if (row.then !== undefined) {
    await scraping.next('guarded');
    await row.then(place, port, scraping, seen);
  }
  const [first, theirs] = await Promise.all([scraping.next('guarded'), scraping.next('unguarded')]);
  let all = first;
  // What the limit gives back, the scraper may get before the others do.
  for (let more = 0; row.meanwhile !== undefined && all.error === '' && more < 20; more += 1) {
    all = await scraping.next('guarded');
  }
  const ours = {
    ...all,
    series: all.series.filter((one) => !one.startsWith('kcp_metrics_filter_upstream_')),
  };
  const answered = seen().filter((one) => one.status !== undefined);
  const exchange = answered.findLast(({ status }) => status === (row.status ?? 200)) ?? answered.at(-1);
  const expected = typeof row.expected === 'function' ? row.expected(scraper) : (row.expected ?? 'same');
  if (expected === 'none') {
    expect(ours.error).not.toBe('');
    expect(ours.series).toEqual([]);
  } else {
    expect([ours.error, theirs.error].filter((error) => error !== '')).not.toHaveLength(1);
    expect(ours.series).toEqual(theirs.series);
    // One that cannot read it cannot read it unguarded either.
    if (theirs.error === '') expect(ours.series.length).toBeGreaterThan(0);
  }
  if (exchange !== undefined) {
    expect(exchange.status).toBe(row.status ?? 200);
    expect(exchange.hasCertificate).toBe(by === 'certificate');
    if (by !== 'certificate') expect(exchange.authorization).toMatch(/^Bearer \S+$/);
    const { accept, acceptEncoding } = exchange;
    if (asked === undefined) habits.set(scraper, { accept, acceptEncoding });
  }
  return {
    asked: asked && exchange?.accept,
    got: gotOf(exchange, seen()),
    stored: storedOf(ours, theirs, expected),
  };
}

function gotOf(exchange: Exchange | undefined, all: readonly Exchange[]): string {
  if (exchange === undefined) return 'sends no request';
  const { status = 0, contentType = '', contentEncoding = '', retryAfter = '', isCut = false } = exchange;
  const redirect = all.some((one) => one.status === 307) ? '307, ' : '';
  if (status !== 200) return `${status}${retryAfter === '' ? '' : `, Retry-After: ${retryAfter}`}`;
  const type = contentType
    .replace('application/', '')
    .replace(/vnd\.google\.(protobuf); proto=\S+; encoding=delimited/, '$1')
    .replace(/;? *charset=utf-8/, '')
    .replaceAll('; ', ' ');
  return `${redirect}${status} ${type}${contentEncoding === '' ? '' : `, ${contentEncoding}`}${isCut ? ', cut off' : ''}`;
}

function storedOf(ours: Outcome, theirs: Outcome, expected: Expected): string {
  const count = ({ series, error }: Outcome): string => (error === '' ? String(series.length) : 'none');
  if (expected === 'same' && theirs.error !== '') return 'cannot read it, nor unguarded';
  return expected === 'same' ? `${count(ours)} series, the same` : `none (unguarded: ${count(theirs)})`;
}

/** The client that stands in for others of the same identity. */
const ofThisTest = 'matrix';

/** What the filter answers to a token. */
function statusFor(place: Place, port: number, token: Token): Promise<number | undefined> {
  const headers = { Authorization: place.authorizationOf(token), 'User-Agent': ofThisTest };
  return new Promise((resolve, reject) => {
    request({ host: 'localhost', port, path: '/metrics', ca: place.ca, headers }, (response) => {
      response.resume().once('close', () => {
        resolve(response.statusCode);
      });
    })
      .once('error', reject)
      .end();
  });
}

/** Requests as the scraper until it stops, so that there is nothing left for the scraper. */
function exhaustingTheLimit(place: Place, port: number): () => Promise<void> {
  const over = new AbortController();
  const going = (async () => {
    while (!over.signal.aborted) {
      await statusFor(place, port, 'scraper');
      await setTimeout(20);
    }
  })();
  return () => {
    over.abort();
    return going;
  };
}

/** Of each type, with exemplars on series with and without labels. */
function ownRegistry(): AnyRegistry {
  const registry: AnyRegistry = new Registry<RegistryContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry];
  const enableExemplars = true;
  const orders = new Counter<string>({
    name: 'orders_total',
    help: 'Orders, "all".',
    labelNames: ['shop'],
    registers,
    enableExemplars,
  });
  const jobs = new Counter<string>({ name: 'jobs_total', help: 'Jobs.', registers, enableExemplars });
  const seconds = new Histogram<string>({
    name: 'seconds',
    help: 'Latency.',
    buckets: [0.1, 1],
    registers,
    enableExemplars,
  });
  const exemplarLabels = { trace_id: '4bf92f35' };
  orders.inc({ labels: { shop: 'a' }, value: 3, exemplarLabels });
  jobs.inc({ value: 17, exemplarLabels });
  seconds.observe({ value: 0.05, exemplarLabels });
  return registry;
}

/** As prom-client writes it, but for what the matrix is not about: HELP's quotes, and VictoriaMetrics' exemplars. */
async function asPromClientHasIt(registry: AnyRegistry): Promise<string> {
  const written = await registry.metrics();
  return written.replace('"all"', '\\"all\\"').replace(/^(jobs_total 17) .*$/m, '$1');
}
