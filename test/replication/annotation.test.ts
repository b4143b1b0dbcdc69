import { describe, expect, it } from 'vitest';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../src/outgoing/outgoing-errors.js';
import {
  annotationPatch,
  hasOwnEntry,
  isReplicated,
  ownEntry,
  patchFailureOf,
  withoutOwnEntry,
} from '../../src/replication/annotation.js';
import { rootBinding } from './root-objects.js';

describe('the annotation', () => {
  it.each<[value: string | undefined, replicated: boolean, own: boolean, without: string | undefined]>([
    [undefined, false, false, undefined],
    ['', false, false, undefined],
    [ownEntry, true, true, undefined],
    [`${ownEntry},${ownEntry}`, true, true, undefined],
    [`,${ownEntry}`, true, true, undefined],
    ['manual', true, false, 'manual'],
    [`apis.kcp.io,${ownEntry}`, true, true, 'apis.kcp.io'],
    [`core.kcp.io,${ownEntry},apis.kcp.io`, true, true, 'core.kcp.io,apis.kcp.io'],
    [`not-${ownEntry}`, true, false, `not-${ownEntry}`],
    [` ${ownEntry}`, true, false, ` ${ownEntry}`],
  ])('%j', (value, replicated, own, without) => {
    expect(isReplicated(value)).toBe(replicated);
    expect(hasOwnEntry(value)).toBe(own);
    expect(value === undefined ? undefined : withoutOwnEntry(value)).toBe(without);
  });
});

describe('its patch', () => {
  it('removes it where nobody else wants it', () => {
    const object = rootBinding('b', 'gone', { replicate: ownEntry });
    const { body } = annotationPatch({ action: 'remove', object, reason: 'names-nobody' });
    expect(body?.json).toEqual({
      metadata: { uid: 'uid-b', resourceVersion: '1', annotations: { 'internal.kcp.io/replicate': null } },
    });
  });

  it.each([
    ['system:kcp:scrapers', 'system:kcp:scrapers'],
    ['of teams?', 'of%20teams%3F'],
    ['größe', 'gr%C3%B6%C3%9Fe'],
  ])('of %j goes to .../%s', (name, segment) => {
    const { path } = annotationPatch({ action: 'add', object: rootBinding(name, 'own'), grants: [] });
    expect(path).toBe(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${segment}`);
  });
});

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
