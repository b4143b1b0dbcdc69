import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isResourcePath } from '../../src/paths/always-allow.js';

/** Kubernetes' RequestInfoFactory, as it decides that a request is for a resource. */
function isResourceRequest(path: string): boolean {
  const trimmed = path.replace(/^\/+|\/+$/g, '');
  const parts = trimmed === '' ? [] : trimmed.split('/');
  if (parts.length < 3) return false;
  if (parts[0] === 'api') return true;
  return parts[0] === 'apis' && parts.length > 3;
}

describe('a path of resources', () => {
  it.each([
    ['/api', false],
    ['/api/', false],
    ['/api/v1', false],
    ['/api/v1/', false],
    ['/api/v1/pods', true],
    ['/api/v1/pods/', true],
    ['/api/v1/namespaces/a/pods/b/log', true],
    ['/apis', false],
    ['/apis/apps', false],
    ['/apis/apps/v1', false],
    ['/apis/apps/v1/', false],
    ['/apis/apps/v1/deployments', true],
    ['/apis/apps/v1/watch/deployments', true],
    ['/API/v1/pods', false],
    ['/apix/v1/pods', false],
    ['/x/api/v1/pods', false],
    ['/metrics', false],
    ['api/v1/pods', true],
    ['', false],
    ['*', false],
  ])('%j: %j', (path, expected) => {
    expect(isResourcePath(path)).toBe(expected);
    expect(isResourceRequest(path)).toBe(expected);
  });

  it.each([
    ['/clusters/root:org/api/v1/pods', true],
    ['/shards/a/clusters/b/apis/apps/v1/deployments/c', true],
    ['/services/cache/shards/a/clusters/*/apis/apps/v1/deployments', true],
    ['/clusters/root/api/v1', false],
    ['/clusters/api/v1/pods', false],
    ['/debug/clusters/root/api/v1/pods', false],
  ])('%j, below a scope of kcp: %j', (path, expected) => {
    expect(isResourcePath(path)).toBe(expected);
  });

  it('is what Kubernetes takes for one', () => {
    const part = fc.constantFrom('/', 'api', 'apis', 'v1', 'apps', 'pods', '.', '\n', '//');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 9 }), fc.boolean(), (parts, isJoined) => {
        const path = isJoined ? `/${parts.join('/')}` : parts.join('');
        expect(isResourcePath(path)).toBe(isResourceRequest(path));
      }),
      { numRuns: 5000 },
    );
  });

  it('is told in time in proportion to the length', () => {
    const started = performance.now();
    for (const path of [
      '/'.repeat(1_000_000),
      `/api${'/'.repeat(1_000_000)}`,
      `/apis/${'a/'.repeat(500_000)}`,
      '/clusters/a'.repeat(100_000),
    ]) {
      isResourcePath(path);
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
