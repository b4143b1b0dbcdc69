import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLongRunning, isSized, requestKind } from '../../../src/telemetry/api-server/request-labels.js';
import { labelled } from './labelled.js';
import { anyCharacter } from '../../support/any-character.js';
import { words } from '../../support/words.js';

/** What k8s.io/apiserver v0.36.3 itself says: its RequestInfoFactory, MonitorRequest and long-running check. */
interface Recorded {
  readonly method: string;
  readonly target: string;
  readonly contentType?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly isLongRunning: boolean;
}

const recorded = readFileSync(new URL('data/request-labels.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);
const scopes = ['/clusters/root', '/clusters/root:org:team', '/services/cache/shards/amber/clusters/root'];

describe('the labels of a request', () => {
  it.each(recorded.map((row) => [`${row.method} ${row.target} ${row.contentType ?? ''}`, row] as const))(
    'are those of Kubernetes for %s',
    (_, row) => {
      const { labels, info } = labelled(row.method, row.target, row.contentType);
      expect(labels).toEqual({ ...row.labels, component: 'apiserver' });
      expect(requestKind(info)).toBe(row.kind);
      expect(isLongRunning(info)).toBe(row.isLongRunning);
    },
  );

  it.each(scopes)('are the same below %s', (scope) => {
    const differing = recorded.filter(({ method, target, contentType }) => {
      const bare = labelled(method, target, contentType).labels;
      const scoped = labelled(method, `${scope}${target}`, contentType).labels;
      return JSON.stringify(bare) !== JSON.stringify(scoped);
    });
    expect(differing).toEqual([]);
  });

  it.each([
    ['/healthz', '/healthz', ''],
    ['/clusters/root/livez', '/livez', ''],
    ['/readyz?verbose', '/readyz', ''],
    ['/api', '', 'apiserver'],
    ['/clusters/root/apis', '', 'apiserver'],
    ['/readyz/ping', '', 'apiserver'],
    ['/clustersx/healthz', '', 'apiserver'],
    ['*', '', 'apiserver'],
    ['http://localhost/healthz', '/healthz', ''],
    ['/%', '', 'apiserver'],
  ])('tell %s apart as %j of component %j', (target, subresource, component) => {
    expect(labelled('GET', target).labels).toEqual({
      ...{ verb: 'GET', dry_run: '', group: '', version: '', resource: '', scope: '' },
      ...{ subresource, component },
    });
  });

  it.each([
    ['GET', '/api/v1/pods', true],
    ['GET', '/api/v1/namespaces/x/pods/y', true],
    ['GET', '/api/v1/pods?watch=true', true],
    ['GET', '/apis/apps/v1/namespaces/x/deployments/y/status', true],
    ['GET', '/healthz', true],
    ['HEAD', '/api/v1/namespaces/x/pods/y', false],
    ['GET', '/api/v1/namespaces/x/pods/y/log', false],
    ['GET', '/api/v1/namespaces/x/pods/y/log?follow=true', false],
    ['GET', '/api/v1/nodes/n/proxy/metrics', false],
    ['GET', '/api/v1/namespaces/x/pods/y/exec?watch=true', false],
    ['POST', '/api/v1/namespaces/x/pods', false],
    ['POST', '/api/v1/namespaces/x/pods?watch=true', false],
    ['PUT', '/api/v1/namespaces/x/pods/y', false],
    ['PATCH', '/api/v1/namespaces/x/pods/y', false],
    ['DELETE', '/api/v1/namespaces/x/pods', false],
    ['OPTIONS', '/api/v1/namespaces/x/pods', false],
  ])('say whether the size of an answer is observed: %s %s %s', (method, target, expected) => {
    expect(isSized(method, labelled(method, target).labels)).toBe(expected);
  });

  it('call a HEAD what it is: nothing changes by it, even of what is no resource', () => {
    expect(requestKind(labelled('HEAD', '/healthz').info)).toBe('readOnly');
  });

  it('hold fixed words, but for the four that name a resource, whatever is asked for', () => {
    const segment = fc.oneof(
      fc.constantFrom(...words('api apis v1 namespaces pods log watch proxy clusters ..'), ''),
      fc.string({ unit: anyCharacter, maxLength: 12 }),
    );
    const query = fc.oneof(
      fc.constantFrom('', '?watch=true', '?dryRun=All', '?fieldSelector=metadata.name=x'),
      fc.string().map((text) => `?${text}`),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom('GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'M-SEARCH'), fc.string()),
        fc.array(segment, { maxLength: 14 }).map((parts) => `/${parts.join('/')}`),
        query,
        fc.option(fc.string(), { nil: undefined }),
        (method, path, search, contentType) => {
          const { labels, info } = labelled(method, `${path}${search}`, contentType);
          expect(labels.verb).toMatch(
            /^(?:APPLY|CONNECT|CREATE|DELETE|DELETECOLLECTION|GET|LIST|PATCH|POST|PROXY|PUT|UPDATE|WATCH|other)$/,
          );
          expect(['', 'All', 'invalid']).toContain(labels.dry_run);
          expect(['', 'cluster', 'namespace', 'resource']).toContain(labels.scope);
          expect(['', 'apiserver']).toContain(labels.component);
          if (!info.isResourceRequest) {
            expect([labels.group, labels.version, labels.resource]).toEqual(['', '', '']);
            expect(['', '/livez', '/readyz', '/healthz']).toContain(labels.subresource);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['slashes', `/${'/'.repeat(16_000)}x`],
    ['segments', '/api/v1/x'.repeat(2_000)],
    ['scopes', '/clusters/a'.repeat(2_000)],
    ['selectors', `/api/v1/pods?fieldSelector=${'metadata.name='.repeat(1_200)}`],
  ])('cost no time that grows beyond the length of a target of many %s', (_, target) => {
    const started = performance.now();
    for (let round = 0; round < 100; round += 1) labelled('GET', target);
    // A quadratic one would take minutes.
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
