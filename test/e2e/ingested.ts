import { createServer } from 'node:https';
import { onTestFinished } from 'vitest';
import type { Exposition } from '../../src/exposition/exposition.js';
import { metricsFilter } from '../../src/request/guard.js';
import { listen, listenHttp } from '../support/listening.js';
import { filterOptions } from '../support/filter.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { FilterUnderTest } from './filter-under-test.js';
import { Prometheus } from './prometheus.js';
import type { ServingPlace } from './serving-place.js';

/** Between two scrapes (ms): enough to write, send and ingest 100,000 series while other tests run. */
const intervalMs = 10_000;

/** The program, with these flags besides those of the place. */
export async function filterOfTest(place: ServingPlace, flags: readonly string[]): Promise<FilterUnderTest> {
  return FilterUnderTest.start(undefined, [...place.flags, ...flags]);
}

/** The library in this process, as an application has it. */
export async function applicationOfTest(
  place: ServingPlace,
  exposition: Exposition,
): Promise<{ readonly port: number }> {
  const { certificatePem: cert, privateKeyPem: key } = place.serving;
  const filter = metricsFilter(filterOptions({ exposition }));
  const listening = await listen(
    createServer({ cert, key }, (incoming, response) => {
      filter(incoming, response, () => response.writeHead(404).end());
    }),
  );
  return listening;
}

/** An http server that answers everything with the same exposition; resolves to its URL. */
export async function upstreamOfTest(
  body: string | Uint8Array,
  contentType = 'text/plain; version=0.0.4; charset=utf-8',
): Promise<string> {
  const listening = await listenHttp((_, response) => {
    response.writeHead(200, { 'Content-Type': contentType }).end(body);
  });
  return `http://127.0.0.1:${listening.port}/metrics`;
}

export async function prometheusOfTest(
  place: ServingPlace,
  port: number,
  everyMs = intervalMs,
): Promise<Prometheus> {
  const { caFile, credentialsFile } = place;
  // Its data are its own: a test may start several.
  const directory = temporaryDirectory();
  const prometheus = await Prometheus.start({
    directory,
    port,
    caFile,
    credentialsFile,
    intervalMs: everyMs,
  });
  onTestFinished(() => prometheus.stop());
  return prometheus;
}
