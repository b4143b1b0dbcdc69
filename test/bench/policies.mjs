import { parsed } from './measure.mjs';

// Policies of one size and several shapes. Each is worst for some way of deciding: a list of all bindings,
// of a group's roles, of a path's roles.

export const path = '/metrics';

/** Of a scraper; every fifth comes up again for another team. @param {number} number */
export function userName(number) {
  return `prometheus-${number}.monitoring.team-${number % 977}.example.com`;
}

/** Ten, `system:authenticated` among them. @param {number} number @returns {string[]} */
export function groupNames(number) {
  const groups = Array.from(
    { length: 9 },
    (_, at) => `oidc:team-${(number * 31 + at * 7) % 5003}:role-${at}`,
  );
  return [...groups.slice(0, 4), 'system:authenticated', ...groups.slice(4)];
}

function role(name, verbs, nonResourceURLs) {
  return { kind: 'ClusterRole', name, rules: [{ verbs, nonResourceURLs }] };
}

function binding(name, roleName, subjects) {
  return { kind: 'ClusterRoleBinding', name, role: roleName, subjects, replicated: true };
}

function user(name) {
  return { kind: 'User', name };
}

const everybody = { kind: 'Group', name: 'system:authenticated' };

/** @type {readonly { name: string, hits: boolean, objects: (bindings: number) => object[] }[]} */
export const policyShapes = [
  {
    name: 'one role, a user each',
    hits: true,
    objects: (bindings) => [
      role('system:kcp:metrics-reader', ['get'], ['/metrics']),
      ...many(bindings, (number) =>
        binding(`scrape-${number}`, 'system:kcp:metrics-reader', [user(userName(number))]),
      ),
    ],
  },
  {
    name: 'a role and a user each',
    hits: true,
    objects: (bindings) => [
      ...many(bindings, (number) => role(`metrics-reader-${number}`, ['get'], ['/metrics'])),
      ...many(bindings, (number) =>
        binding(`scrape-${number}`, `metrics-reader-${number}`, [user(userName(number))]),
      ),
    ],
  },
  {
    name: 'one group, a role each, none for the path',
    hits: false,
    objects: (bindings) => [
      ...many(bindings, (number) => role(`app-reader-${number}`, ['get'], [`/apps/app-${number}/*`])),
      ...many(bindings, (number) => binding(`app-${number}`, `app-reader-${number}`, [everybody])),
    ],
  },
  {
    name: 'a role each for the path, all for others',
    hits: false,
    objects: (bindings) => [
      ...many(bindings, (number) => role(`metrics-reader-${number}`, ['get'], ['/metrics', '/metrics/*'])),
      ...many(bindings, (number) =>
        binding(`scrape-${number}`, `metrics-reader-${number}`, [user(`other-${number}`)]),
      ),
    ],
  },
  {
    name: "half a group's roles, half the path's",
    hits: false,
    objects: (bindings) => [
      ...many(bindings, (number) =>
        number % 2 === 0
          ? role(`metrics-reader-${number}`, ['get'], ['/metrics'])
          : role(`app-reader-${number}`, ['get'], [`/apps/app-${number}/*`]),
      ),
      ...many(bindings, (number) =>
        number % 2 === 0
          ? binding(`scrape-${number}`, `metrics-reader-${number}`, [user(`other-${number}`)])
          : binding(`app-${number}`, `app-reader-${number}`, [everybody]),
      ),
    ],
  },
  {
    name: "one group, the path's roles, another verb",
    hits: false,
    objects: (bindings) => [
      ...many(bindings, (number) => role(`metrics-pusher-${number}`, ['post'], ['/metrics'])),
      ...many(bindings, (number) => binding(`push-${number}`, `metrics-pusher-${number}`, [everybody])),
    ],
  },
];

function many(count, make) {
  return parsed(Array.from({ length: count }, (_, number) => make(number)));
}
