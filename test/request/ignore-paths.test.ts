import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Request, requestState } from '../../src/request/middleware.js';
import type { PathClassification } from '../../src/paths/classify.js';
import { IgnorePathsError } from '../../src/request/request-errors.js';
import { ignorePaths } from '../../src/request/steps/listed-paths.js';
import { words } from '../support/words.js';

function isIgnored(globs: readonly string[], classification: PathClassification): boolean {
  const request: Request = new IncomingMessage(new Socket());
  requestState(request).classification = classification;
  let passed = 0;
  ignorePaths(globs)(request, {} as never, () => {
    passed += 1;
  });
  expect(passed).toBe(1);
  return requestState(request).verdict?.decision === 'allow';
}

const shardLevel = (path: string): PathClassification => ({ kind: 'shard-level', path });

/** Go's `path.Match`, for what both take. */
function goPathMatch(glob: string, path: string): boolean {
  const source = glob.replace(/\[\^?[^\]]*\]|[^]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.startsWith('[') ? part : part.replace(/[.+^${}()|\\\]]/, '\\$&');
  });
  return new RegExp(`^${source}$`).test(path);
}

describe('an ignored path', () => {
  it.each([
    ['/metrics', '/metrics', true],
    ['/metrics', '/metrics/slis', false],
    ['/metrics/*', '/metrics/slis', true],
    ['/metrics/*', '/metrics', false],
    ['/metrics/*', '/metrics/app/deep', false],
    ['/*', '/metrics', true],
    ['/*', '/metrics/slis', false],
    ['/*/slis', '/metrics/slis', true],
    ['/metric?', '/metrics', true],
    ['/metrics?slis', '/metrics/slis', false],
    ['/metrics/sli[a-z]', '/metrics/slis', true],
    ['/metrics/sli[^a-z]', '/metrics/slis', false],
    ['/metrics.', '/metricss', false],
    ['/', '/metrics', false],
  ])('%s: %s is one: %s', (glob, path, expected) => {
    expect(isIgnored([glob], shardLevel(path))).toBe(expected);
    expect(goPathMatch(glob, path)).toBe(expected);
  });

  it.each<[string, PathClassification]>([
    ['a scoped one', { kind: 'scoped-shard-level', scope: {}, path: '/metrics' }],
    ['one that is not canonical', { kind: 'redirect', location: '/metrics', shardLevel: true }],
    ['one that only looks like it', { kind: 'lookalike' }],
    ['none of the metrics', { kind: 'other', path: '/metrics', scope: {} }],
  ])('is never %s', (_which, classification) => {
    expect(isIgnored(['/metrics', '/*'], classification)).toBe(false);
  });

  it('is never more than kube-rbac-proxy makes of the same glob', () => {
    const glob = fc
      .array(fc.constantFrom('/', 'm', 'metrics', 'slis', '*', '?', '.', '-', '[a-s]', '[^x]', 's'), {
        minLength: 1,
        maxLength: 6,
      })
      .map((parts) => `/${parts.join('')}`);
    const path = fc
      .array(fc.constantFrom('metrics', 'slis', 'app', 'm', 's', '.', 'a-b'), { maxLength: 3 })
      .map((parts) => ['/metrics', ...parts].join('/'));
    fc.assert(
      fc.property(glob, path, (pattern, asked) => {
        let ignored: boolean;
        try {
          ignored = isIgnored([pattern], shardLevel(asked));
        } catch (error) {
          expect(error).toBeInstanceOf(IgnorePathsError);
          return;
        }
        if (ignored) expect(goPathMatch(pattern, asked)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('counts as a decision', () => {
    const decisions: unknown[] = [];
    const request: Request = new IncomingMessage(new Socket());
    requestState(request).classification = shardLevel('/metrics');
    ignorePaths(['/metrics'], (...decision) => decisions.push(decision))(
      request,
      {} as never,
      () => undefined,
    );
    expect(decisions).toEqual([['IgnorePaths', 'allow']]);
    expect(requestState(request).verdict).toEqual({
      decision: 'allow',
      reason: 'ignored path',
      authorizer: 'IgnorePaths',
    });
  });
});

describe('a glob of ignored paths', () => {
  it.each([
    ...words(`
      metrics * ** /** /metrics/** /{metrics,livez} /metrics{1..9} /(metrics|livez) /+(m) /@(m) /!(m)
      !/metrics /metrics| /[metrics /[[:alpha:]] /[] /[/] /[!a]
    `),
    '',
    '/metrics\\',
    '/met rics',
    '/metrics\n',
    '/\u00fc',
    `/${'a'.repeat(1024)}`,
  ])('%j cannot be used', (glob) => {
    expect(() => ignorePaths(['/metrics', glob])).toThrow(IgnorePathsError);
  });
});
