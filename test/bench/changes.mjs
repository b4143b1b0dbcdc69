import { Policy } from '../../dist/policy/policy.js';
import { nanosecondsPerCall, parsed } from './measure.mjs';
import { path, policyShapes, userName } from './policies.mjs';
import { duration } from './report.mjs';

const bindings = 100_000;
const goalNs = 1_000_000;

/** One changed object among 100,000 bindings, from the source's call to its taking effect. */
export function changesSection() {
  const [oneRole, roleEach, oneGroup, , halves] = policyShapes;
  const rows = [
    row('binding set, other subjects, one role for all', oneRole, rebind('system:kcp:metrics-reader')),
    row(
      'binding deleted and added again, one role for all',
      oneRole,
      deleteAndAdd('system:kcp:metrics-reader'),
    ),
    row('binding deleted and added again, a role each', roleEach, deleteAndAdd()),
    row('role that every binding names', oneRole, changeRole('system:kcp:metrics-reader')),
    row('role of one binding, a role each', roleEach, changeRole()),
    row('role of one binding, 100,000 prefixes', oneGroup, changeRole('app-reader-7')),
    row('binding set, then the first decision of a large group', halves, rebindAndAsk()),
  ];
  return { title: `One change at ${bindings} bindings; p50 / p99`, rows };
}

function row(what, shape, change) {
  const policy = new Policy({ layers: ['root'] });
  const sink = policy.sink('root');
  sink.replace(shape.objects(bindings));
  const { p50, p99 } = nanosecondsPerCall({
    batches: 400,
    inputs: (batch) => parsed([change.input(batch)]),
    call: (input) => change.apply(sink, input, policy),
  });
  return { what, figures: `${duration(p50)} / ${duration(p99)}`, goal: 'p50 < 1 ms', met: p50 < goalNs };
}

function bindingOf(number, role, user) {
  return {
    kind: 'ClusterRoleBinding',
    name: `scrape-${number}`,
    role,
    subjects: [
      { kind: 'User', name: user },
      { kind: 'Group', name: `team-${number % 100}` },
    ],
    replicated: true,
  };
}

function rebind(role) {
  return {
    input: (batch) => bindingOf((batch * 7919) % bindings, role, `changed-${batch}`),
    apply: (sink, object) => {
      sink.apply({ type: 'set', object });
    },
  };
}

function deleteAndAdd(role) {
  return {
    input(batch) {
      const number = (batch * 7919) % bindings;
      return bindingOf(number, role ?? `metrics-reader-${number}`, userName(number));
    },
    apply(sink, object) {
      sink.apply({ type: 'delete', kind: 'ClusterRoleBinding', name: object.name });
      sink.apply({ type: 'set', object });
    },
  };
}

function changeRole(name) {
  return {
    input: (batch) => ({
      kind: 'ClusterRole',
      name: name ?? `metrics-reader-${(batch * 7919) % bindings}`,
      rules: [
        { verbs: ['get', 'head'], nonResourceURLs: ['/metrics', `/changed/${'x'.repeat(batch % 50)}*`] },
      ],
    }),
    apply: (sink, object) => {
      sink.apply({ type: 'set', object });
    },
  };
}

/** What is remembered of large groups is forgotten at a change; the next decision works it out again. */
function rebindAndAsk() {
  const identities = [{ name: 'unknown', groups: ['system:authenticated'] }];
  return {
    input: (batch) =>
      bindingOf(((batch * 7919) % (bindings / 2)) * 2, `metrics-reader-0`, `changed-${batch}`),
    apply: (sink, object, policy) => {
      sink.apply({ type: 'set', object });
      return policy.find(identities, 'get', path);
    },
  };
}
