import { describe, expect, it } from 'vitest';
import {
  BoundedLabels,
  type InstrumentedResource,
  type RequestLabels,
} from '../../../src/telemetry/api-server/request-labels.js';
import { labelled } from './labelled.js';

const served = true;
const refused = false;

function boundedLabels(resources?: readonly InstrumentedResource[], maxResources = 500) {
  const bounded = new BoundedLabels(resources, maxResources);
  return (target: string, wasServed: boolean, method = 'GET'): RequestLabels => {
    const { labels, info } = labelled(method, target);
    return bounded.of(labels, info.isResourceRequest, wasServed);
  };
}

/** group/version/resource/subresource */
function named({ group, version, resource, subresource }: RequestLabels): string {
  return `${group}/${version}/${resource}/${subresource}`;
}

const pods = '/api/v1/namespaces/x/pods';

describe('resources', () => {
  it('are told apart once a request for them was served', () => {
    const of = boundedLabels();
    expect(named(of(pods, refused))).toBe('other/other/other/other');
    expect(named(of(pods, served))).toBe('/v1/pods/');
    expect(named(of(pods, refused))).toBe('/v1/pods/');
    expect(named(of(`${pods}/y`, refused, 'DELETE'))).toBe('/v1/pods/');
    expect(named(of(`${pods}/y/log`, refused))).toBe('other/other/other/other');
  });

  it('keep verb, scope, dry run and component where they are others', () => {
    expect(boundedLabels()(`${pods}?dryRun=All`, refused)).toEqual({
      ...{ verb: 'LIST', dry_run: 'All', scope: 'namespace', component: 'apiserver' },
      ...{ group: 'other', version: 'other', resource: 'other', subresource: 'other' },
    });
  });

  it('are learned no further than the limit', () => {
    const of = boundedLabels(undefined, 2);
    const told = ['a', 'b', 'c', 'a'].map((resource) => of(`/api/v1/${resource}`, served).resource);
    expect(told).toEqual(['a', 'b', 'other', 'a']);
  });

  it('are not learned where they are given', () => {
    const resources = [{ group: '', version: 'v1', resource: 'pods', subresources: ['status'] }];
    const of = boundedLabels(resources);
    expect(named(of(pods, refused))).toBe('/v1/pods/');
    expect(named(of(`${pods}/y/status`, served))).toBe('/v1/pods/status');
    expect(named(of(`${pods}/y/log`, served))).toBe('other/other/other/other');
    expect(named(of('/apis/apps/v1/deployments', served))).toBe('other/other/other/other');
  });

  it.each([
    ['/api/v1/p%20ods'],
    ['/api/v1/%22'],
    ['/api/v1//x'],
    [`/api/v1/${'x'.repeat(64)}`],
    ['/apis/%0a/v1/pods'],
    ['/api/v1/pods/y/%00'],
  ])('are never learned with a name that none has: %s', (target) => {
    expect(boundedLabels()(target, served).resource).toBe('other');
  });

  it('have one object for the same labels', () => {
    const of = boundedLabels();
    expect(of(pods, served)).toBe(of('/api/v1/namespaces/y/pods?limit=5', refused));
    expect(of('/api/v1/nothing', refused)).toBe(of('/apis/a/b/c', refused));
  });
});

describe('sets of labels', () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  const forms = ['', '?watch=1', '?dryRun=All', '?dryRun=no'];

  /** Every resource with everything that can be varied about a request for it. */
  function setsAfter(of: ReturnType<typeof boundedLabels>, resources: number, wasServed: boolean) {
    const sets = new Set<RequestLabels>();
    for (let at = 0; at < resources; at += 1) {
      for (const path of [`/api/v1/r${at}`, `/api/v1/r${at}/y`, `/api/v1/namespaces/x/r${at}`]) {
        for (const method of methods) {
          for (const form of forms) sets.add(of(`${path}${form}`, wasServed, method));
        }
      }
    }
    return [...sets].filter(({ resource }) => resource !== 'other').length;
  }

  it('are bounded, whatever is served', () => {
    expect(setsAfter(boundedLabels(), 400, served)).toBe(4000);
  });

  it('are filled to an eighth by those who are refused, and the others are left to those who are served', () => {
    const of = boundedLabels();
    for (let at = 0; at < 100; at += 1) of(`/api/v1/r${at}`, served);
    expect(setsAfter(of, 100, refused)).toBeLessThanOrEqual(600);
    expect(of('/api/v1/r99/y', served, 'DELETE').resource).toBe('r99');
  });
});
