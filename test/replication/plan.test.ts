import { describe, expect, it } from 'vitest';
import { planReplication } from '../../src/replication/plan.js';
import { bootstrap, getMetrics, getPods, rootBinding, rootPolicy, rootRole } from './root-objects.js';
import { ownEntry } from '../../src/replication/annotation.js';
import type { RootBinding, RootRole } from '../../src/replication/root-objects.js';

const planOf = (objects: readonly (RootRole | RootBinding)[]): ReturnType<typeof planReplication> =>
  planReplication(rootPolicy(objects), bootstrap);
const changesOf = (objects: readonly (RootRole | RootBinding)[]): readonly string[] =>
  planOf(objects).changes.map((change) =>
    [
      change.action,
      change.object.kind,
      change.object.name,
      ...(change.action === 'remove' ? [change.reason] : []),
    ].join(' '),
  );

describe('what is added', () => {
  it.each<[name: string, objects: readonly (RootRole | RootBinding)[], changes: readonly string[]]>([
    [
      "a binding of kcp's own metrics reader, which itself stands outside root",
      [rootBinding('b', 'system:kcp:metrics-reader')],
      ['add ClusterRoleBinding b'],
    ],
    [
      'one of system:monitoring, likewise',
      [rootBinding('b', 'system:monitoring')],
      ['add ClusterRoleBinding b'],
    ],
    [
      "a binding of root's own role, after that role",
      [rootBinding('b', 'own'), rootRole('own', [getMetrics])],
      ['add ClusterRole own', 'add ClusterRoleBinding b'],
    ],
    [
      'the role alone where the binding is replicated already',
      [rootBinding('b', 'own', { replicate: 'manual' }), rootRole('own', [getMetrics])],
      ['add ClusterRole own'],
    ],
    [
      'the binding alone where the role is',
      [rootBinding('b', 'own'), rootRole('own', [getMetrics], 'core.kcp.io')],
      ['add ClusterRoleBinding b'],
    ],
    [
      'one role for many bindings',
      [rootBinding('b', 'own'), rootBinding('c', 'own'), rootRole('own', [getMetrics])],
      ['add ClusterRole own', 'add ClusterRoleBinding b', 'add ClusterRoleBinding c'],
    ],
    [
      'an annotation where there is an empty one, which kcp takes for none',
      [rootBinding('b', 'system:kcp:metrics-reader', { replicate: '' })],
      ['add ClusterRoleBinding b'],
    ],
  ])('%s', (_name, objects, changes) => {
    expect(changesOf(objects)).toEqual(changes);
  });

  it('comes with what it grants', () => {
    const rules = [getMetrics, { verbs: ['head', 'get'], nonResourceURLs: ['/metrics/*'] }];
    const { changes } = planOf([rootBinding('b', 'own'), rootRole('own', rules)]);
    const grants = [
      { url: '/metrics', verbs: ['get'] },
      { url: '/metrics/*', verbs: ['head', 'get'] },
    ];
    expect(changes).toEqual([expect.objectContaining({ grants }), expect.objectContaining({ grants })]);
  });
});

describe('what is left alone', () => {
  it.each<[name: string, objects: readonly (RootRole | RootBinding)[]]>([
    ['nothing at all', []],
    ['what others want replicated', [rootBinding('b', 'system:monitoring', { replicate: 'apis.kcp.io' })]],
    ['what is replicated by any value', [rootBinding('b', 'system:monitoring', { replicate: ',' })]],
    ['what was added here', [rootBinding('b', 'system:monitoring', { replicate: ownEntry })]],
    [
      'what others want, too',
      [rootBinding('b', 'system:monitoring', { replicate: `core.kcp.io,${ownEntry}` })],
    ],
    ['a binding of other paths', [rootBinding('b', 'system:discovery')]],
    ['a binding of resources', [rootBinding('b', 'own'), rootRole('own', [getPods], 'apis.kcp.io')]],
    ['a binding of a role that is nowhere', [rootBinding('b', 'nowhere')]],
    ['a binding that names nobody', [rootBinding('b', 'system:kcp:metrics-reader', { subjects: [] })]],
    ['a role that nobody is bound to', [rootRole('own', [getMetrics])]],
    [
      "a binding of kcp's reader where root's role of that name grants something else",
      [
        rootBinding('b', 'system:kcp:metrics-reader'),
        rootRole('system:kcp:metrics-reader', [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }]),
      ],
    ],
  ])('%s', (_name, objects) => {
    expect(planOf(objects)).toEqual({ changes: [], skipped: [] });
  });
});

describe('what is skipped, since it grants more than metrics', () => {
  const mixed = rootRole('mixed', [getMetrics, getPods]);
  it.each<[name: string, objects: readonly (RootRole | RootBinding)[]]>([
    ['a binding of such a role', [rootBinding('b', 'mixed'), mixed]],
    ["a binding of kcp's administrators", [rootBinding('b', 'cluster-admin')]],
    ["a binding of kcp's bootstrappers", [rootBinding('b', 'system:kcp:tenancy:workspace-bootstrapper')]],
  ])('%s', (_name, objects) => {
    expect(planOf(objects)).toEqual({ changes: [], skipped: [expect.objectContaining({ name: 'b' })] });
  });

  it('is not spoken of where it is replicated, or names nobody', () => {
    const objects = [
      rootBinding('b', 'mixed', { replicate: 'manual' }),
      rootBinding('c', 'mixed', { subjects: [] }),
      mixed,
    ];
    expect(planOf(objects)).toEqual({ changes: [], skipped: [] });
  });

  it.each<[verbs: string, urls: string, beyond: string | undefined]>([
    ['get,head', '/metrics,/metrics/slis,/metrics/*,/metrics/a*,/metrics*,/metrics/**', undefined],
    ['get', '*', 'get *'],
    ['*', '*', '* *'],
    ['get', '/*', 'get /*'],
    ['get', '/m*', 'get /m*'],
    ['get', '/metrics,/debug/*', 'get /debug/*'],
    ['get,head', '/metrics,/debug/pprof', 'get,head /debug/pprof'],
    ['get', '/metrics,/healthz', 'get /healthz'],
    ['get', '/metrics,/', 'get /'],
    ['get', '/metrics,/metricsx', 'get /metricsx'],
    ['get', '/metrics,/METRICS', 'get /METRICS'],
    ['get', '/metrics,/metrics-admin*', 'get /metrics-admin*'],
    ['*', '/metrics', '* /metrics'],
    ['get,delete', '/metrics', 'delete /metrics'],
    ['get,post,put', '/metrics/*', 'post,put /metrics/*'],
    ['get,GET,list,watch,access', '/metrics', undefined],
  ])('%s on %s: %s', (verbs, urls, beyond) => {
    const rule = { verbs: verbs.split(','), nonResourceURLs: urls.split(',') };
    // What the rule before it grants does not count, nor does it hide what another one does.
    const planned = planOf([rootBinding('b', 'own'), rootRole('own', [getMetrics, rule])]);
    expect(
      planned.skipped.map((binding) => binding.beyond.map((grant) => `${grant.verbs.join()} ${grant.url}`)),
    ).toEqual(beyond === undefined ? [] : [[beyond]]);
    expect(planned.changes).toHaveLength(beyond === undefined ? 2 : 0);
  });

  it.each<[verbs: string, urls: string, isSkipped: boolean]>([
    ['get', '/metrics,/flagz,/healthz/*,/livez,/readyz/*,/statusz', false],
    ['get', '/metrics,/debug/*', true],
    ['get', '/metrics,/version', true],
    ['get', '/metrics,/healthz*', true],
    ['get,put', '/metrics/slis,/flagz', true],
  ])("a binding of root's own system:monitoring: %s on %s: %s", (verbs, urls, isSkipped) => {
    const rules = [{ verbs: verbs.split(','), nonResourceURLs: urls.split(',') }];
    const { changes, skipped } = planOf([
      rootBinding('b', 'system:monitoring'),
      rootRole('system:monitoring', rules),
    ]);
    expect(changes).toHaveLength(isSkipped ? 0 : 2);
    expect(skipped).toHaveLength(isSkipped ? 1 : 0);
  });
});

describe('what is removed', () => {
  const own = { replicate: ownEntry };
  it.each<[name: string, objects: readonly (RootRole | RootBinding)[], changes: readonly string[]]>([
    [
      'but not from a binding whose role is nowhere, which may be on its way',
      [rootBinding('b', 'nowhere', own)],
      [],
    ],
    [
      'from a binding whose role grants other paths now, and then from the role',
      [rootBinding('b', 'own', own), rootRole('own', [getPods], ownEntry)],
      [
        'remove ClusterRoleBinding b grants-no-shard-level-path',
        'remove ClusterRole own grants-no-shard-level-path',
      ],
    ],
    [
      'from both where the role grants resources now',
      [rootBinding('b', 'own', own), rootRole('own', [getMetrics, getPods], ownEntry)],
      ['remove ClusterRoleBinding b grants-resources', 'remove ClusterRole own grants-resources'],
    ],
    [
      'from both where the role grants other paths as well now',
      [
        rootBinding('b', 'own', own),
        rootRole('own', [getMetrics, { verbs: ['get'], nonResourceURLs: ['/debug/*'] }], ownEntry),
      ],
      ['remove ClusterRoleBinding b grants-beyond-metrics', 'remove ClusterRole own grants-beyond-metrics'],
    ],
    [
      'from a binding that names nobody any more, and the role',
      [rootBinding('b', 'own', { ...own, subjects: [] }), rootRole('own', [getMetrics], ownEntry)],
      ['remove ClusterRoleBinding b names-nobody', 'remove ClusterRole own not-bound'],
    ],
    [
      'from a role whose last binding has gone',
      [rootRole('own', [getMetrics], ownEntry)],
      ['remove ClusterRole own not-bound'],
    ],
    [
      'where others want it replicated, too',
      [rootBinding('b', 'system:discovery', { replicate: `${ownEntry},core.kcp.io` })],
      ['remove ClusterRoleBinding b grants-no-shard-level-path'],
    ],
    [
      'before anything is added',
      [rootBinding('a', 'system:monitoring'), rootBinding('b', 'system:discovery', own)],
      ['remove ClusterRoleBinding b grants-no-shard-level-path', 'add ClusterRoleBinding a'],
    ],
  ])('%s', (_name, objects, changes) => {
    expect(changesOf(objects)).toEqual(changes);
  });
});
