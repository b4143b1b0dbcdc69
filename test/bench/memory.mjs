import { Policy } from '../../dist/policy/policy.js';
import { heapUsed } from './measure.mjs';
import { policyShapes } from './policies.mjs';

const bindings = 100_000;
const goalMb = 100;

/** A function of its own: what it was given is no longer held when it has returned. */
function fill(policy, objects) {
  policy.sink('root').replace(objects(bindings));
}

/** What a process holds more with 100,000 bindings than without: the objects and the index over them. */
export function memorySection() {
  const [oneRole, roleEach, oneGroup] = policyShapes;
  const rows = [oneRole, roleEach, oneGroup].map(({ name, objects }) => {
    const policy = new Policy({ layers: ['root'] });
    const before = heapUsed();
    fill(policy, objects);
    const megabytes = (heapUsed() - before) / 1e6;
    const [{ clusterRoleBindings }] = policy.status();
    if (clusterRoleBindings !== bindings) throw new Error(`${clusterRoleBindings} bindings held`);
    return {
      what: name,
      figures: `${megabytes.toFixed(1)} MB`,
      goal: `< ${goalMb} MB`,
      met: megabytes < goalMb,
    };
  });
  return { title: `Heap held by ${bindings} bindings, their objects included`, rows };
}
