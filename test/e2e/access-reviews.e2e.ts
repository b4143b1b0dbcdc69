import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runProcess } from '../support/started-server.js';
import { accessReview, isAllowed, type AccessQuestion } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import { printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import type { Subject } from './rbac-objects.js';
import { words } from '../support/words.js';

const rules: Readonly<
  Record<string, { readonly verbs: readonly string[]; readonly urls: readonly string[] }>
> = {
  metrics: { verbs: ['get'], urls: ['/metrics'] },
  'below-metrics': { verbs: ['get', 'head'], urls: ['/metrics/*'] },
  'metrics-prefix': { verbs: ['*'], urls: ['/metrics*'] },
  everything: { verbs: ['get'], urls: ['*'] },
  star: { verbs: ['get'], urls: ['/metrics/*/slis', '/version'] },
  capital: { verbs: ['GET'], urls: ['/metrics'] },
};
const user = (name: string): Subject => ({ kind: 'User', name });
const group = (name: string): Subject => ({ kind: 'Group', name });
const serviceAccount = (namespace: string, name: string): Subject => ({
  kind: 'ServiceAccount',
  namespace,
  name,
});
/** Subjects of the role of the same name. */
const bound: Readonly<Record<string, readonly Subject[]>> = {
  missing: [user('erin')],
  metrics: [user('prometheus'), group('monitoring'), serviceAccount('monitoring', 'prometheus')],
  'below-metrics': [user('alice'), group('system:serviceaccounts:monitoring')],
  'metrics-prefix': [user('bob')],
  everything: [group('everything')],
  star: [user('prometheus'), user('carol')],
  capital: [user('dave')],
};
/** As kube-apiserver has them in this order. */
const likeKubernetes = ['--bootstrap-policy=false', '--authorization-order=AlwaysAllowGroups,RBAC'];

const serviceAccountUser = 'system:serviceaccount:monitoring:prometheus';
const callers: readonly Pick<AccessQuestion, 'user' | 'groups'>[] = [
  ...['prometheus', 'Prometheus', 'alice', 'bob', 'carol', 'dave', 'erin', 'mallory', 'monitoring'].map(
    (name) => ({ user: name }),
  ),
  { user: serviceAccountUser },
  { user: serviceAccountUser, groups: ['system:serviceaccounts', 'system:serviceaccounts:monitoring'] },
  ...words('monitoring everything system:monitoring system:masters system:authenticated nobody').map(
    (name) => ({ user: 'somebody', groups: [name] }),
  ),
  { user: 'mallory', groups: ['team-a', 'monitoring', 'system:authenticated'] },
  { user: 'system:anonymous', groups: ['system:unauthenticated'] },
];
const paths = words(
  '/metrics /metrics/ /metrics/slis /metrics/a/slis /metricsx /METRICS /healthz /version /',
);
const verbs = ['get', 'head', 'post', 'GET'];

onControlPlane(kubeApiserver, "can-i and who-can beside the API server's own answers", (start) => {
  let controlPlane: ControlPlane;
  let source: readonly string[];
  beforeAll(async () => {
    controlPlane = await start();
    await grantPolicyReader(controlPlane, 'watcher');
    for (const [name, { verbs: granted, urls }] of Object.entries(rules)) {
      await controlPlane.clusterRoles.create({ name, rules: [{ verbs: granted, nonResourceURLs: urls }] });
    }
    for (const [name, subjects] of Object.entries(bound)) {
      await controlPlane.clusterRoleBindings.create({ name, role: name, subjects });
    }
    // Its authorizer follows its own objects; the last of them was Dave's.
    const lastGrant = { user: 'dave', nonResourceAttributes: { verb: 'GET', path: '/metrics' } };
    await vi.waitUntil(() => isAllowed(controlPlane, lastGrant), { timeout: 60_000, interval: 20 });
    const kubeconfig = controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'watcher.kubeconfig'),
    });
    source = [`--root-kubeconfig=${kubeconfig}`, ...likeKubernetes];
  });
  afterAll(() => controlPlane.stop());

  it('can-i answers every SubjectAccessReview alike', async () => {
    const questions: readonly AccessQuestion[] = callers.flatMap((caller) =>
      verbs.flatMap((verb) => paths.map((path) => ({ ...caller, nonResourceAttributes: { verb, path } }))),
    );
    const expected: { question: AccessQuestion; allowed: boolean }[] = [];
    for (const question of questions) {
      expected.push({ question, allowed: await isAllowed(controlPlane, question) });
    }
    const input = questions.map((question) => JSON.stringify(accessReview(question))).join('\n');
    const { code, stdout, stderr } = await runProcess(['can-i', '-f', '-', ...source], input);
    expect(code).toBe(0);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining('"missing"')]);
    const answered = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { spec: AccessQuestion; status: { allowed: boolean } })
      .map(({ spec, status }) => ({ question: spec, allowed: status.allowed }));
    expect(answered).toEqual(expected);
    const allowed = expected.filter((answer) => answer.allowed).length;
    expect(allowed).toBeGreaterThan(50);
    printFigure(`can-i: ${expected.length} SubjectAccessReviews answered alike, ${allowed} of them allowed`);
  });

  it.each([
    ['get', '/metrics'],
    ['head', '/metrics/slis'],
    ['get', '/metrics/a/slis'],
    ['post', '/metrics'],
    ['get', '/version'],
  ])('who-can %s %s names those alone whom the API server allows', async (verb, path) => {
    const { code, stdout } = await runProcess(['who-can', verb, path, ...source]);
    expect(code).toBe(0);
    const named = new Set(stdout.split('\n').map((line) => line.split('  ')[0] ?? ''));
    const nonResourceAttributes = { verb, path };
    const subjects = [
      ...Object.values(bound).flat(),
      ...['system:masters', 'system:monitoring', 'system:authenticated', 'system:unauthenticated'].map(group),
    ];
    for (const subject of subjects) {
      const question = { ...callerOf(subject), nonResourceAttributes };
      const isNamed = named.has(describeSubject(subject));
      expect({ subject, isNamed }).toEqual({ subject, isNamed: await isAllowed(controlPlane, question) });
    }
  });
});

/** With nothing beside what the subject matches. */
function callerOf(subject: Subject): Pick<AccessQuestion, 'user' | 'groups'> {
  switch (subject.kind) {
    case 'User':
      return { user: subject.name };
    case 'Group':
      return { user: 'somebody', groups: [subject.name] };
    case 'ServiceAccount':
      return { user: `system:serviceaccount:${subject.namespace}:${subject.name}` };
  }
}

function describeSubject(subject: Subject): string {
  const name = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace}` : subject.name;
  return `${subject.kind} ${JSON.stringify(name)}`;
}
