import fc from 'fast-check';
import type { AccessQuestion } from './access-review.js';
import type { ClusterRole, Subject } from './rbac-objects.js';
import { words } from '../support/words.js';

/** A ClusterRole's rules, whom they are bound to, and what somebody asks who may have to do with them. */
export interface RandomPolicy {
  readonly rules: ClusterRole['rules'];
  readonly subjects: readonly Subject[];
  readonly question: AccessQuestion;
}

/** Stands for the policy's own number in a name, so that it meets no other policy. */
const own = '#';
const ownNames = [`a-${own}`, `b-${own}`];
/** Names that several policies have. */
const commonNames = Array.from({ length: 100 }, (_, at) => `common-${at}`);
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...ownNames) },
  { weight: 1, arbitrary: fc.constantFrom(...commonNames) },
);
const oddName = fc.constantFrom(
  `A-${own}`,
  `ä ${own}`,
  `a-${own}:b`,
  `system:serviceaccount:a-${own}:b-${own}`,
);
const userName = fc.oneof({ weight: 6, arbitrary: name }, { weight: 1, arbitrary: oddName });

const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({ kind: fc.constantFrom('User' as const, 'Group' as const), name: userName }),
  fc.record({ kind: fc.constant('ServiceAccount' as const), namespace: name, name }),
);

const verb = fc.constantFrom('get', 'get', 'head', 'post', 'GET', 'watch');
const path = fc.constantFrom(
  ...['/', '/metrics', '/metrics/', '/metrics/slis', '/metrics/a/slis', '/metricsx', '/METRICS', '/m'],
  ...words('/healthz /version * /metrics* metrics //metrics /metrics/../metrics /métrics'),
  '',
);
const url = fc.oneof(
  { weight: 6, arbitrary: path },
  {
    weight: 6,
    arbitrary: fc.constantFrom('/metrics/*', '/metrics*', '/metrics/**', '/m*', '/*/slis', '/metrics/*/slis'),
  },
  { weight: 1, arbitrary: fc.constantFrom('*', '**', '/*', '*/metrics', ' /metrics', '/%6Detrics') },
);
const rule = fc.record({
  // A server refuses a rule without verbs.
  verbs: fc.array(fc.oneof({ weight: 5, arbitrary: verb }, fc.constant('*')), { minLength: 1, maxLength: 3 }),
  nonResourceURLs: fc.array(url, { minLength: 1, maxLength: 3 }),
});

const groups = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: userName },
    { weight: 2, arbitrary: fc.constantFrom('system:authenticated', 'system:serviceaccounts') },
  ),
  { maxLength: 4 },
);
const user = fc.oneof(
  userName,
  fc.tuple(name, name).map(([namespace, account]) => `system:serviceaccount:${namespace}:${account}`),
);

const policy: fc.Arbitrary<RandomPolicy> = fc
  .tuple(fc.array(rule, { minLength: 1, maxLength: 3 }), fc.array(subject, { minLength: 1, maxLength: 3 }))
  .chain(([rules, subjects]) =>
    fc.record({
      rules: fc.constant(rules),
      subjects: fc.constant(subjects),
      question: fc.record({
        // Somebody else as often as one of those that are bound.
        user: fc.oneof(user, fc.constantFrom(...subjects.map(userOf))),
        groups,
        nonResourceAttributes: fc.record({ verb, path: fc.oneof(path, pathNear(rules)) }),
      }),
    }),
  );

/** Policies that meet in their common names alone. The same for the same seed. */
export function randomPolicies(count: number, seed: number): readonly RandomPolicy[] {
  return fc
    .sample(policy, { numRuns: count, seed })
    .map((drawn, at) => JSON.parse(JSON.stringify(drawn).replaceAll(own, String(at))) as RandomPolicy);
}

/** A path that a URL of the rules grants, or just does not. */
function pathNear(rules: RandomPolicy['rules']): fc.Arbitrary<string> {
  const urls = rules.flatMap(({ nonResourceURLs = [] }) => nonResourceURLs);
  const end = fc.constantFrom('', 'x', '/', '/slis', '*');
  return fc.tuple(fc.constantFrom(...urls), end).map(([near, added]) => near.replace(/\*+$/, '') + added);
}

function userOf(subject: Subject): string {
  return subject.kind === 'ServiceAccount'
    ? `system:serviceaccount:${subject.namespace}:${subject.name}`
    : subject.name;
}
