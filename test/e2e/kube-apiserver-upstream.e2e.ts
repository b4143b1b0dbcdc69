import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { isPrometheusSkipped } from './binaries.js';
import type { ControlPlane } from './control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { prometheusOfTest } from './ingested.js';
import { startKeepingProxy, type KeepingProxy } from './kept-exchange.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { promtoolOn } from './promtool.js';
import { scrapeOnce } from './scrape-once.js';
import { servingPlace, type ServingPlace } from './serving-place.js';

const settles = { timeout: 60_000, interval: 250 };

const protobuf =
  'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3';
const openMetrics =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

onControlPlane(kubeApiserver, 'an upstream that wants a client certificate', (start) => {
  let controlPlane: ControlPlane;
  let place: ServingPlace;
  let client: IssuedCertificate;
  let clientFlags: readonly string[];
  let origin: string;
  beforeAll(async () => {
    controlPlane = await start();
    ({ origin } = new URL(controlPlane.url));
    place = await servingPlace();
    // By the role that kube-apiserver has for those who scrape it.
    client = await controlPlane.issueClient('metrics-guard', ['system:monitoring']);
    const { directory } = place;
    clientFlags = [
      `--upstream-client-cert-file=${directory.write('client.crt', client.certificatePem)}`,
      `--upstream-client-key-file=${directory.write('client.key', client.privateKeyPem)}`,
    ];
  });

  const direct = (flags: readonly string[] = []): Promise<FilterUnderTest> =>
    FilterUnderTest.start(undefined, [
      ...place.flags,
      ...clientFlags,
      `--upstream-ca-file=${controlPlane.certificateAuthority}`,
      ...flags,
    ]);

  describe('and is asked through a proxy that keeps what it sent', () => {
    let proxy: KeepingProxy;
    let filter: FilterUnderTest;
    beforeAll(async () => {
      proxy = await startKeepingProxy({
        origin,
        certificateAuthority: controlPlane.certificateAuthority,
        client,
        clientAuthority: readFileSync(join(controlPlane.directory, 'client-ca.crt'), 'utf8'),
      });
      filter = await FilterUnderTest.start(undefined, [
        ...place.flags,
        ...clientFlags,
        `--upstream=${proxy.origin}`,
        `--upstream-ca-file=${place.directory.write('proxy-ca.crt', proxy.certificateAuthority)}`,
      ]);
    });
    afterAll(async () => {
      await filter.stop();
      await proxy.close();
    });

    const formats = [
      ['nothing', '', 'text/plain'],
      ['the text format', 'text/plain;version=0.0.4', 'text/plain'],
      ['what Prometheus asks for', openMetrics, ''],
      ['protobuf', protobuf, 'application/vnd.google.protobuf'],
    ] as const;
    const cases = formats.flatMap(([what, accept, type]) =>
      ['gzip', 'identity', ''].map((coding) => ({ what, accept, type, coding })),
    );
    it.each(cases)(
      'serves its bytes to who asks for $what, coded as "$coding"',
      async ({ accept, type, coding }) => {
        const { status, headers, body } = await scrapeOnce(place, filter.port, {
          headers: {
            ...(accept === '' ? {} : { Accept: accept }),
            ...(coding === '' ? {} : { 'Accept-Encoding': coding }),
          },
        });
        const kept = proxy.last();
        expect(status).toBe(200);
        expect(headers['content-type']).toBe(kept.headers['content-type']);
        expect(headers['content-type']).toContain(type);
        expect(headers['content-encoding']).toBe(kept.headers['content-encoding']);
        expect(headers['content-encoding']).toBe(coding === 'gzip' ? 'gzip' : undefined);
        expect(body.length).toBeGreaterThan(20_000);
        expect(body.equals(kept.body)).toBe(true);
        expect(kept.asked.client).toBe('metrics-guard');
        expect(kept.asked.target).toBe('/metrics');
        expect(Object.keys(kept.asked.headers)).not.toContain('authorization');
      },
    );
  });

  it('serves the families that it serves to others, and promtool has nothing to add', async () => {
    const filter = await direct([`--upstream=${origin}`]);
    const served = (await scrapeOnce(place, filter.port)).body.toString();
    const text = await ownExposition(controlPlane);
    expect(familiesIn(served)).toEqual(familiesIn(text));
    const [ours, theirs] = [promtoolOn(served), promtoolOn(text)];
    expect(ours.isReadable).toBe(true);
    expect(ours.remarks).toEqual(theirs.remarks);
  });

  it.each([
    ['relabelled', ['--rename-labels=verb=method', '--drop-labels=dry_run']],
    ['merged', []],
  ])('keeps all families where it is %s', async (how, flags) => {
    const filter = await direct([`--upstream=${how === 'merged' ? 'kube=' : ''}${origin}`, ...flags]);
    const { status, headers, body } = await scrapeOnce(place, filter.port, {
      headers: { 'Accept-Encoding': 'gzip', Accept: openMetrics },
    });
    expect(status).toBe(200);
    expect(headers['content-encoding']).toBe('gzip');
    const served = gunzipSync(body).toString();
    const text = await ownExposition(controlPlane);
    const added = /^kcp_metrics_filter_upstream_/;
    expect(familiesIn(served).filter((family) => !added.test(family))).toEqual(familiesIn(text));
    expect(promtoolOn(served).isReadable).toBe(true);
  });

  describe.skipIf(isPrometheusSkipped)('and is asked by Prometheus', () => {
    const variants: readonly (readonly [string, (origin: string) => readonly string[]])[] = [
      ['as it is', (origin) => [`--upstream=${origin}`]],
      ['relabelled', (origin) => [`--upstream=${origin}`, '--rename-labels=dry_run=dry']],
      ['merged', (origin) => [`--upstream=kube=${origin},again=${origin}`]],
    ];
    it.each(variants)('answers what its dashboards ask for, %s', async (_how, flagsOf) => {
      const filter = await direct(flagsOf(origin));
      const prometheus = await prometheusOfTest(place, filter.port, 5_000);
      const list = (): Promise<unknown> => controlPlane.request('GET', '/api/v1/namespaces');
      await expect
        .poll(async () => {
          await list();
          return prometheus.valueOf('count_over_time(up[1m]) > 3');
        }, settles)
        .toBeDefined();
      expect(await prometheus.lastError()).toBe('');
      expect(await prometheus.valueOf('min_over_time(up[1m])')).toBe(1);
      const latency = await prometheus.valueOf(
        'histogram_quantile(0.99, sum by (le) (rate(apiserver_request_duration_seconds_bucket[1m])))',
      );
      expect(latency).toBeGreaterThan(0);
      expect(latency).toBeLessThan(60);
      const byCode = await prometheus.valuesOf('sum by (code) (rate(apiserver_request_total[1m]))', 'code');
      expect(byCode.get('200')).toBeGreaterThan(0);
      const inFlight = await prometheus.valuesOf(
        'sum by (request_kind) (apiserver_current_inflight_requests)',
        'request_kind',
      );
      expect([...inFlight.keys()].sort()).toEqual(['mutating', 'readOnly']);
      expect(await prometheus.valueOf('sum(etcd_request_duration_seconds_count)')).toBeGreaterThan(0);
      expect(await prometheus.complaints()).toEqual([]);
    });
  });
});

/** As it gives it to its administrator. */
async function ownExposition(controlPlane: ControlPlane): Promise<string> {
  const { status, body } = await controlPlane.request('GET', '/metrics');
  if (status !== 200 || typeof body !== 'string') throw new Error(`its metrics are ${status}`);
  return body;
}

/** With their types. */
function familiesIn(exposition: string): readonly string[] {
  return [...exposition.matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, family = '']) => family).sort();
}
