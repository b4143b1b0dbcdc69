import { Policy } from '../../dist/policy/policy.js';
import { lastResult, nanosecondsPerCall, parsed } from './measure.mjs';
import { groupNames, path, policyShapes, userName } from './policies.mjs';
import { duration } from './report.mjs';
import { rbacAuthorizer } from '../../dist/authorization/authorizer.js';

const sizes = [1000, 10_000, 100_000];
const batchSize = 64;
const batches = 400;
const goalNs = 700;
/** A hundred times the bindings may cost a little more: a larger table misses the processor's caches. */
const flat = 3;

/** One RBAC decision, from identity to verdict and reason, at three sizes of policy. */
export function decisionsSection() {
  const rows = [];
  for (const shape of policyShapes) {
    const bySize = sizes.map((size) => measureShape(shape, size));
    for (const outcome of shape.hits ? ['hit', 'miss'] : ['miss']) {
      rows.push(
        rowOf(
          `${shape.name}, ${outcome}`,
          bySize.map((figures) => figures[outcome]),
        ),
      );
    }
  }
  rows.push(...kcpRows());
  return {
    title: `RBAC decision, 10 groups a caller, never the same caller twice; p50 / p99 at ${sizes.join(' / ')} bindings`,
    rows,
  };
}

function rowOf(what, figures) {
  const smallest = figures[0].p50;
  const met = figures.every(({ p50 }) => p50 < goalNs && p50 < Math.max(flat * smallest, goalNs / 2));
  return {
    what,
    figures: figures.map(({ p50, p99 }) => `${duration(p50)} / ${duration(p99)}`.padEnd(20)).join(' '),
    goal: 'p50 < 0.7 µs, flat',
    met,
  };
}

function measureShape({ objects, hits }, size) {
  const authorize = authorizerOf(objects(size));
  const caller = (number, name) => ({ name, groups: groupNames(number), extra: {} });
  return {
    ...(hits
      ? { hit: decide(authorize, 'allow', (number) => caller(number, userName((number * 7919) % size))) }
      : {}),
    miss: decide(authorize, 'no-opinion', (number) => caller(number, `unknown-${number}`)),
  };
}

/** Callers whose scopes and warrants are looked through, and those whose connection has been seen before. */
function kcpRows() {
  const [, shape] = policyShapes;
  const authorize = authorizerOf(shape.objects(100_000));
  const warrant = (number) =>
    JSON.stringify({
      user: userName(number),
      groups: ['system:authenticated'],
      extra: { 'authentication.kcp.io/scopes': ['cluster:root'] },
    });
  const scoped = (number) => ({
    name: `system:serviceaccount:monitoring:prometheus-${number}`,
    groups: groupNames(number),
    extra: {
      'authentication.kcp.io/cluster-name': ['2x6f4kq1l8z3'],
      'authentication.kcp.io/scopes': ['cluster:2x6f4kq1l8z3,cluster:root'],
      'authorization.kcp.io/warrant': [warrant((number * 7919) % 100_000)],
    },
  });
  const hot = parsed(scoped(1));
  const first = decide(authorize, 'allow', scoped);
  const again = nanosecondsPerCall({
    batches,
    inputs: () => Array.from({ length: batchSize }, () => ({ identity: hot, verb: 'get', path })),
    call: authorize,
  });
  return [
    {
      what: 'service account with scopes and a warrant, first',
      figures: both(first),
      goal: 'p50 < 20 µs',
      met: first.p50 < 20_000,
    },
    { what: 'the same identity again', figures: both(again), goal: 'p50 < 0.7 µs', met: again.p50 < goalNs },
  ];
}

function both({ p50, p99 }) {
  return `${duration(p50)} / ${duration(p99)}`;
}

function decide(authorize, expected, identity) {
  const figures = nanosecondsPerCall({
    batches,
    inputs: (batch) =>
      parsed(
        Array.from({ length: batchSize }, (_, at) => ({
          identity: identity(batch * batchSize + at),
          verb: 'get',
          path,
        })),
      ),
    call: authorize,
  });
  const { decision } = lastResult();
  if (decision !== expected) throw new Error(`decided ${decision}, expected ${expected}`);
  return figures;
}

function authorizerOf(objects) {
  const policy = new Policy({ layers: ['root'] });
  policy.sink('root').replace(objects);
  const authorizer = rbacAuthorizer({ policy });
  return (attributes) => authorizer.authorize(attributes);
}
