import { describe, expect, it } from 'vitest';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../src/outgoing/api-error.js';
import { patchFailureOf } from '../../src/replication/patch-failure.js';
import { rootBinding } from './root-objects.js';

const status = (code: number, reason: string): ApiStatusError =>
  new ApiStatusError(code, { kind: 'Status', reason, message: 'because' });
const notFound = (kind: string, name: string): ApiStatusError =>
  new ApiStatusError(404, {
    kind: 'Status',
    reason: 'NotFound',
    message: 'because',
    details: { kind, name },
  });
const object = rootBinding('scrapers', 'reader');

describe('a patch that fails', () => {
  it.each([
    [notFound('clusterrolebindings', 'scrapers'), { kind: 'gone' }],
    // Not the binding, but its role, which the server looks up before it lets anybody bind it.
    [notFound('clusterroles', 'reader'), { kind: 'refused', message: '404 NotFound: because' }],
    [notFound('clusterroles', 'scrapers'), { kind: 'refused' }],
    [notFound('clusterrolebindings', 'others'), { kind: 'refused' }],
    [status(404, 'NotFound'), { kind: 'refused' }],
    [status(409, 'Conflict'), { kind: 'conflict' }],
    [status(403, 'Forbidden'), { kind: 'refused', message: '403 Forbidden: because' }],
    [status(422, 'Invalid'), { kind: 'refused', message: '422 Invalid: because' }],
    [new ApiStatusError(307), { kind: 'refused', message: '307' }],
    [status(401, 'Unauthorized'), { kind: 'unavailable', message: '401 Unauthorized: because' }],
    [new ApiStatusError(429, undefined, 2000), { kind: 'unavailable', message: '429', retryAfterMs: 2000 }],
    [status(500, 'InternalError'), { kind: 'unavailable', message: '500 InternalError: because' }],
    [new ApiStatusError(503), { kind: 'unavailable', message: '503' }],
    [
      new ApiConnectionError('https://root: cut off'),
      { kind: 'unavailable', message: 'https://root: cut off' },
    ],
    [new ApiContentError('no JSON'), { kind: 'unavailable', message: 'no JSON' }],
  ])('%s', (error, failure) => {
    expect(patchFailureOf(error, object)).toMatchObject(failure);
  });

  it('for a reason of our own is no failure of a patch', () => {
    expect(() => patchFailureOf(new TypeError('a bug'), object)).toThrow('a bug');
  });
});
