import { describe, expect, it } from 'vitest';
import { annotationPatch } from '../../src/replication/annotation-patch.js';
import {
  hasOwnWord,
  isReplicated,
  ownWord,
  withoutOwnWord,
} from '../../src/replication/replicate-annotation.js';
import { rootBinding } from './root-objects.js';

describe('the annotation', () => {
  it.each<[value: string | undefined, replicated: boolean, own: boolean, without: string | undefined]>([
    [undefined, false, false, undefined],
    ['', false, false, undefined],
    [ownWord, true, true, undefined],
    [`${ownWord},${ownWord}`, true, true, undefined],
    [`,${ownWord}`, true, true, undefined],
    ['manual', true, false, 'manual'],
    [`apis.kcp.io,${ownWord}`, true, true, 'apis.kcp.io'],
    [`core.kcp.io,${ownWord},apis.kcp.io`, true, true, 'core.kcp.io,apis.kcp.io'],
    [`not-${ownWord}`, true, false, `not-${ownWord}`],
    [` ${ownWord}`, true, false, ` ${ownWord}`],
  ])('%j', (value, replicated, own, without) => {
    expect(isReplicated(value)).toBe(replicated);
    expect(hasOwnWord(value)).toBe(own);
    expect(value === undefined ? undefined : withoutOwnWord(value)).toBe(without);
  });
});

describe('its patch', () => {
  it('removes it where nobody else wants it', () => {
    const object = rootBinding('b', 'gone', { replicate: ownWord });
    const { body } = annotationPatch({ action: 'remove', object, reason: 'names-nobody' });
    expect(body?.json).toEqual({
      metadata: {
        uid: 'uid-b',
        resourceVersion: '1',
        annotations: { 'internal.kcp.io/replicate': null },
      },
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
