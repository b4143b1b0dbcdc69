import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runProcess } from '../support/started-server.js';
import { accessReview, isAllowed, type AccessQuestion } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import { printFigure } from './figures.js';
import { keptConnections, type KeptConnections } from './kept-connections.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { randomPolicies } from './random-policies.js';
import { clusterRoleBindings, clusterRoles } from './rbac-objects.js';

/**
 * All of them are on the server at the same time. RBAC only adds: a binding that names nobody of a caller's names
 * says nothing about him, so that each question is decided by the policy it was drawn with, and by those alone that
 * share a name with it.
 */
const count = 2_000;
/** To have a run again: what it printed. */
const seed = Number(process.env['E2E_SEED'] ?? randomInt(2 ** 31));
/** As kube-apiserver has them in this order. */
const likeKubernetes = ['--bootstrap-policy=false', '--authorization-order=AlwaysAllowGroups,RBAC'];

onControlPlane(kubeApiserver, "random policies beside the API server's own answers", (start) => {
  const policies = randomPolicies(count, seed);
  const questions: readonly AccessQuestion[] = policies.map(({ question }) => question);
  let controlPlane: ControlPlane;
  let connections: KeptConnections;
  beforeAll(async () => {
    controlPlane = await start();
    connections = await keptConnections(controlPlane);
    await grantPolicyReader(controlPlane, 'watcher');
    const roles = clusterRoles(connections.send);
    const bindings = clusterRoleBindings(connections.send);
    await connections.map(policies, async ({ rules, subjects }, at) => {
      const name = `random-${at}`;
      await roles.create({ name, rules });
      await bindings.create({ name, role: name, subjects });
    });
    // Its authorizer follows its own objects, each kind in the order in which they were made.
    const marker = { verb: 'get', path: '/marker' };
    await roles.create({ name: 'marker', rules: [{ verbs: [marker.verb], nonResourceURLs: [marker.path] }] });
    await bindings.create({ name: 'marker', role: 'marker', subjects: [{ kind: 'User', name: 'marker' }] });
    const question = { user: 'marker', nonResourceAttributes: marker };
    await vi.waitUntil(() => isAllowed(controlPlane, question), { timeout: 60_000, interval: 20 });
  });
  afterAll(() => {
    connections.close();
  });

  it(`can-i answers ${count} SubjectAccessReviews alike`, async () => {
    const expected = await connections.map(questions, (question) =>
      isAllowed({ request: connections.send }, question),
    );
    const kubeconfig = controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'watcher.kubeconfig'),
    });
    const input = questions.map((question) => JSON.stringify(accessReview(question))).join('\n');
    const { code, stdout } = await runProcess(
      ['can-i', '-f', '-', `--root-kubeconfig=${kubeconfig}`, ...likeKubernetes],
      input,
    );
    expect(code).toBe(0);
    const answered = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { spec: AccessQuestion; status: { allowed: boolean } });
    expect(answered.map(({ spec }) => spec)).toEqual(questions);
    const differing = policies.filter((_, at) => answered[at]?.status.allowed !== expected[at]);
    expect(differing, `E2E_SEED=${seed}`).toEqual([]);
    const allowed = expected.filter(Boolean).length;
    printFigure(`can-i: ${count} random policies answered alike, ${allowed} allowed (E2E_SEED=${seed})`);
    expect(allowed, `E2E_SEED=${seed}`).toBeGreaterThan(count / 10);
    expect(allowed, `E2E_SEED=${seed}`).toBeLessThan((count * 9) / 10);
  });
});
