import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManifestError } from '../../../src/policy/policy-errors.js';
import { addPiece } from '../../../src/policy/sources/manifest-thread.js';
import { partsOf } from '../../../src/policy/sources/manifest-worker.js';
import { parseManifest, type Manifest } from '../../../src/policy/sources/manifest.js';
import type { PolicyObject } from '../../../src/policy/objects.js';
import { grantsOf } from '../../../src/policy/index/roles.js';

const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: reader
rules:
  - verbs: [get, head]
    nonResourceURLs: [/metrics, '/metrics/*']
  - verbs: [list]
    apiGroups: ['']
    resources: [pods]
`;
const binding = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: readers
  annotations: {internal.kcp.io/replicate: manual}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: reader
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: User
    name: prometheus
  - kind: Group
    name: monitoring
  - kind: ServiceAccount
    name: prometheus
    namespace: monitoring
`;

const readRole = {
  kind: 'ClusterRole',
  name: 'reader',
  rules: [{ verbs: ['get', 'head'], nonResourceURLs: ['/metrics', '/metrics/*'] }],
};
const readBinding = {
  kind: 'ClusterRoleBinding',
  name: 'readers',
  role: 'reader',
  subjects: [
    { kind: 'User', name: 'prometheus' },
    { kind: 'Group', name: 'monitoring' },
    { kind: 'ServiceAccount', name: 'prometheus', namespace: 'monitoring' },
  ],
  replicated: true,
};

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const indented = (text: string): string => `- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`;
const withoutType = (text: string): string => text.split('\n').slice(2).join('\n');

describe('a manifest', () => {
  it('gives ClusterRoles and ClusterRoleBindings, trimmed to what decides, and where they stand', () => {
    expect(parseManifest(`# a comment\n---\n${role}---\n${binding}`, 'policy.yaml')).toEqual({
      objects: [
        { ...readRole, origin: 'policy.yaml:3' },
        { ...readBinding, origin: 'policy.yaml:14' },
      ],
      warnings: [],
    });
  });

  it('may be JSON', () => {
    const text = JSON.stringify(
      {
        apiVersion: 'v1',
        kind: 'List',
        items: [
          {
            apiVersion: 'rbac.authorization.k8s.io/v1',
            kind: 'ClusterRole',
            metadata: { name: 'reader' },
            rules: readRole.rules,
          },
        ],
      },
      null,
      2,
    );
    expect(parseManifest(text, 'f.json').objects).toEqual([{ ...readRole, origin: 'f.json:5' }]);
  });

  it.each([
    ['a List', `apiVersion: v1\nkind: List\nitems:\n${indented(role)}${indented(binding)}`, [4, 14]],
    [
      'a ClusterRoleList whose items lack their kind',
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleList\nitems:\n${indented(withoutType(role))}`,
      [4],
    ],
    [
      'a ClusterRoleBindingList whose items lack their kind',
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBindingList\nitems:\n${indented(withoutType(binding))}`,
      [4],
    ],
    ['a list without items', 'apiVersion: v1\nkind: List\nitems:\n', []],
    [
      'CRLF line ends, a byte order mark and empty documents',
      `\ufeff---\n---\n${role}---\n# nothing\n---\n`.replaceAll('\n', '\r\n'),
      [3],
    ],
    [
      'anchors, aliases and merge keys',
      `${role}x: &common {roleRef: {kind: ClusterRole, name: reader}}\n---\n${role.replace('[get, head]', '&v [get]').replace('[list]', '*v').replace('name: reader', 'name: other')}`,
      [1, 13],
    ],
  ])('may be %s', (_, text, lines) => {
    const { objects, warnings } = parseManifest(text, 'f');
    expect(objects.map(({ origin }) => origin)).toEqual(lines.map((line) => `f:${line}`));
    expect(warnings).toEqual([]);
  });

  it('follows merge keys, as kubectl does', () => {
    const text = `
apiVersion: v1
kind: List
common: &common
  apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  roleRef: { kind: ClusterRole, name: reader }
items:
  - <<: *common
    metadata: { name: one }
`;
    expect(parseManifest(text, 'f').objects).toEqual([
      {
        kind: 'ClusterRoleBinding',
        name: 'one',
        role: 'reader',
        subjects: [],
        replicated: false,
        origin: 'f:9',
      },
    ]);
  });

  it.each([
    ['nothing', ''],
    ['a comment', '# nothing here\n'],
    ['other kinds', 'apiVersion: v1\nkind: ConfigMap\nmetadata: 5\nrules: no\n'],
    [
      'a kustomization',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n',
    ],
  ])('of %s holds no object', (_, text) => {
    expect(parseManifest(text, 'f')).toEqual({ objects: [], warnings: [] });
  });

  it.each([
    ['a replicate annotation of any value', "'true'", true],
    ['a replicate annotation without value', '', false],
    ['a replicate annotation that is empty', "''", false],
  ])('%s (%j): replicated is %s', (_, value, replicated) => {
    const text = binding.replace(
      '{internal.kcp.io/replicate: manual}',
      `{internal.kcp.io/replicate: ${value}}`,
    );
    expect(parseManifest(text, 'f').objects).toMatchObject([{ replicated }]);
  });

  it.each([
    ['{other: x}', 'other annotations'],
    ['', 'none'],
  ])('is not replicated with annotations %j', (annotations) => {
    const text = binding.replace('{internal.kcp.io/replicate: manual}', annotations);
    expect(parseManifest(text, 'f').objects).toMatchObject([{ replicated: false }]);
  });

  it('takes names from no prototype', () => {
    expect(() => parseManifest(role.replace('name: reader', '__proto__: {name: x}'), 'f')).toThrow(
      'f:3: metadata.name is missing',
    );
  });

  it('does not hold on to the text of its file', () => {
    const name = 'a-name-that-is-long-enough-to-be-a-slice';
    const padding = `# ${'x'.repeat(1 << 20)}\n`;
    const kept: unknown[] = [];
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < 40; at += 1) {
      kept.push(parseManifest(`${padding}${role.replace('reader', `${name}-${at}`)}`, 'f'));
    }
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * (1 << 20));
    expect(kept).toHaveLength(40);
  });
});

describe('a manifest warns', () => {
  it.each([
    ['Role', 'f:1: a Role is skipped, because what is namespaced never grants a path'],
    ['RoleBinding', 'f:1: a RoleBinding is skipped, because what is namespaced never grants a path'],
    ['RoleBindingList', 'f:1: a RoleBindingList is skipped, because what is namespaced never grants a path'],
  ])('of a %s', (kind, warning) => {
    const text = `apiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\nmetadata: {name: x}\n`;
    expect(parseManifest(text, 'f')).toEqual({ objects: [], warnings: [warning] });
  });

  it.each([
    [
      'an aggregated ClusterRole',
      `${role}aggregationRule: {clusterRoleSelectors: [{matchLabels: {a/b: c}}]}\n`,
      'f:11: aggregationRule is not followed, only the rules written here count',
    ],
    [
      'a field of a ClusterRole that nobody knows',
      `${role}rule: []\n`,
      'f:11: "rule" is no field here and does nothing',
    ],
    [
      'a field of a rule that nobody knows',
      role.replace('    nonResourceURLs', '    nonResourceUrls: [/debug]\n    nonResourceURLs'),
      'f:7: "nonResourceUrls" is no field here and does nothing',
    ],
    [
      'a field of a roleRef that nobody knows',
      binding.replace('  kind: ClusterRole\n', '  kind: ClusterRole\n  namespace: x\n'),
      'f:9: "namespace" is no field here and does nothing',
    ],
    [
      'a field of a subject that nobody knows',
      binding.replace('    name: monitoring\n', '    name: monitoring\n    users: []\n'),
      'f:16: "users" is no field here and does nothing',
    ],
    ['an object without kind', 'a: 1\n---\nKind: ClusterRole\n', 'f:1: skipped, because it has no kind'],
  ])('of %s', (_, text, warning) => {
    expect(parseManifest(text, 'f').warnings[0]).toBe(warning);
  });
});

it('no more than a hundred warnings are given of a manifest, and how many there are besides', () => {
  const text = `kind: List\nitems:\n${'- kind: Role\n'.repeat(105)}`;
  const { warnings } = parseManifest(text, 'f');
  expect(warnings).toHaveLength(101);
  expect(warnings.slice(-2)).toEqual([
    'f:102: a Role is skipped, because what is namespaced never grants a path',
    'f: 5 more warnings',
  ]);
});

/** The manifest with one thing replaced. */
const bad = (text: string, search: string, replacement: string): string => {
  expect(text).toContain(search);
  return text.replace(search, () => replacement);
};

describe('a manifest is refused for', () => {
  it.each<[string, () => string, string]>([
    [
      'a syntax error',
      () => bad(role, '[get, head]', '[get'),
      'f:7: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a tab', () => 'a:\n\tb: 1\n', 'f:2: Tabs are not allowed as indentation'],
    [
      'a duplicate key',
      () => bad(role, '  name: reader', '  name: reader\n  name: other'),
      'f:5: duplicate key "name", first on line 4',
    ],
    [
      'a duplicate key in JSON',
      () => '{"kind": "A",\n"kind": "B"}',
      'f:2: duplicate key "kind", first on line 1',
    ],
    ['a list as a key', () => '? [a]\n: b\n', 'f:1: With stringKeys, all keys must be strings'],
    ['an alias without anchor', () => 'a:\n  b: *nope\n', 'f:2: no anchor before the alias *nope'],
    ['a string', () => `${role}---\nhello\n`, 'f:12: a document must be an object, not a string'],
    ['a list', () => '- a\n', 'f:1: a document must be an object, not a list'],
    ['a number', () => '5', 'f:1: a document must be an object, not a number'],
    ['a set', () => '!!set {a, b}', 'f:1: a document must be an object, not an object of another type'],
    ['a kind that is no string', () => 'kind: 5', 'f:1: kind must be a string, not a number'],
    ['no apiVersion', () => withoutType(`\n${role}`), 'f:1: apiVersion is missing'],
    [
      'v1beta1',
      () => bad(role, 'io/v1', 'io/v1beta1'),
      'f:1: apiVersion must be rbac.authorization.k8s.io/v1, not "rbac.authorization.k8s.io/v1beta1"',
    ],
    [
      'v1beta1 of a list',
      () => 'kind: ClusterRoleList\napiVersion: rbac.authorization.k8s.io/v1beta1\n',
      'f:2: apiVersion must be rbac.authorization.k8s.io/v1, not "rbac.authorization.k8s.io/v1beta1"',
    ],
    ['no metadata', () => bad(role, 'metadata:\n  name: reader\n', ''), 'f:1: metadata.name is missing'],
    [
      'metadata that is a string',
      () => bad(role, 'metadata:\n  name: reader', 'metadata: reader'),
      'f:3: metadata must be an object, not a string',
    ],
    ['no name', () => bad(role, '  name: reader', '  labels: {}'), 'f:3: metadata.name is missing'],
    ['an empty name', () => bad(role, 'reader', "''"), 'f:4: metadata.name must not be empty'],
    ['a null name', () => bad(role, 'reader', 'null'), 'f:4: metadata.name is missing'],
    [
      'a name that is a number',
      () => bad(role, 'reader', '5'),
      'f:4: metadata.name must be a string, not a number',
    ],
    [
      'rules that are an object',
      () =>
        'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\nrules:\n  verbs: [get]\n',
      'f:4: rules must be a list, not an object',
    ],
    [
      'a rule that is a string',
      () => bad(role, '  - verbs: [list]\n', '  - get\n  - verbs: [list]\n'),
      'f:8: rules[1] must be an object, not a string',
    ],
    [
      'a rule that is null',
      () => bad(role, '  - verbs: [list]\n', '  -\n  - verbs: [list]\n'),
      'f:8: rules[1] must not be null',
    ],
    [
      'verbs that are a string',
      () => bad(role, '[get, head]', 'get'),
      'f:6: rules[0].verbs must be a list, not a string',
    ],
    [
      'verbs that hold a number',
      () => bad(role, '[get, head]', '[get, 1]'),
      'f:6: rules[0].verbs[1] must be a string, not a number',
    ],
    [
      'wrong verbs in a rule that is dropped',
      () => bad(role, '[list]', '[true]'),
      'f:8: rules[1].verbs[0] must be a string, not a boolean',
    ],
    [
      'nonResourceURLs that are a string',
      () => bad(role, "[/metrics, '/metrics/*']", '/metrics'),
      'f:7: rules[0].nonResourceURLs must be a list, not a string',
    ],
    [
      'nonResourceURLs that hold a list',
      () => bad(role, "[/metrics, '/metrics/*']", '\n    - /metrics\n    - [/metrics]'),
      'f:9: rules[0].nonResourceURLs[1] must be a string, not a list',
    ],
    ['no roleRef', () => bad(binding, 'roleRef:', 'roleref:'), 'f:1: roleRef.kind is missing'],
    [
      'a roleRef that is a string',
      () =>
        bad(
          binding,
          'roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: reader',
          'roleRef: reader',
        ),
      'f:6: roleRef must be an object, not a string',
    ],
    [
      'a roleRef to a Role',
      () => bad(binding, '  kind: ClusterRole\n', '  kind: Role\n'),
      'f:8: roleRef.kind must be ClusterRole',
    ],
    ['a roleRef without name', () => bad(binding, '  name: reader\n', ''), 'f:6: roleRef.name is missing'],
    [
      'subjects that are an object',
      () => bad(binding, 'subjects:\n', 'subjects: {}\nx:\n'),
      'f:10: subjects must be a list, not an object',
    ],
    [
      'a subject that is a string',
      () => bad(binding, 'subjects:\n', 'subjects:\n  - prometheus\n'),
      'f:11: subjects[0] must be an object, not a string',
    ],
    [
      'a subject of an unknown kind',
      () => bad(binding, 'kind: Group', 'kind: Team'),
      'f:14: subjects[1].kind must be User, Group or ServiceAccount',
    ],
    [
      'a subject without kind',
      () => bad(binding, '  - kind: Group\n    name', '  - name'),
      'f:14: subjects[1].kind is missing',
    ],
    [
      'a subject without name',
      () => bad(binding, '    name: monitoring\n', ''),
      'f:14: subjects[1].name is missing',
    ],
    [
      'a namespace that is a number',
      () => bad(binding, 'namespace: monitoring', 'namespace: 5'),
      'f:18: subjects[2].namespace must be a string, not a number',
    ],
    [
      'annotations that are a list',
      () => bad(binding, '{internal.kcp.io/replicate: manual}', '[internal.kcp.io/replicate]'),
      'f:5: metadata.annotations must be an object, not a list',
    ],
    [
      'a name twice',
      () => `${role}---\n${binding}---\n${role}`,
      'f:31: ClusterRole "reader" is already defined at f:1',
    ],
    ['a List that is a string', () => 'kind: List\nitems: none', 'f:2: items must be a list, not a string'],
    [
      'a List in a List',
      () => 'kind: List\nitems:\n- kind: List\n',
      'f:3: items[0] must not be a List itself',
    ],
    [
      'a List that holds itself',
      () => 'kind: List\nitems: &a\n- kind: List\n  items: *a\n',
      'f:3: items[0] must not be a List itself',
    ],
    ['a null in a List', () => 'kind: List\nitems:\n-\n', 'f:3: items[0] must not be null'],
    [
      'a string in a List',
      () => 'kind: List\nitems:\n- x\n',
      'f:3: items[0] must be an object, not a string',
    ],
    [
      'another kind in a typed list',
      () => `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleList\nitems:\n${indented(binding)}`,
      'f:5: items[0].kind must be ClusterRole in a ClusterRoleList',
    ],
    ['what is nested too deeply', () => `a:\n  ${'['.repeat(200_000)}`, 'f:2: nested deeper than 100 levels'],
    [
      'many aliases',
      () => `a: &a x\nb: [${'*a, '.repeat(101)}]`,
      'f:2: more than 100 aliases in one document',
    ],
    [
      'a billion laughs',
      () =>
        `a: &a [x]\n${Array.from('bcdefghi')
          .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'.charAt(at)}, `.repeat(9)}]\n`)
          .join('')}`,
      'f:1: Excessive alias count indicates a resource exhaustion attack',
    ],
    [
      'more values than fit',
      () => `a: [${'x,'.repeat(1_000_001)}]`,
      'f:1: more than 1000000 values in one document: separate its objects by `---`',
    ],
  ])('%s', (_, text, message) => {
    expect(() => parseManifest(text(), 'f')).toThrow(
      expect.objectContaining({ name: 'ManifestError', code: 'ERR_MANIFEST', message }),
    );
  });
});

/** With `metadata.<field>` beside the name. */
const withMetadata = (field: string): string => role.replace('name: reader', `name: reader\n  ${field}`);
const withRule = (rule: string): string => role.replace(/rules:[^]*/, `rules:\n  - ${rule}\n`);
const withSubject = (subject: string): string =>
  binding.replace(/subjects:[^]*/, `subjects:\n  - ${subject}\n`);

/** Kubernetes' own validation: pkg/apis/rbac/validation, and ValidateObjectMeta of apimachinery. */
describe('what an API server refuses grants nothing:', () => {
  it.each<[string, string]>([
    [withRule('{verbs: [], nonResourceURLs: [/metrics]}'), 'f:6: rules[0].verbs must hold a verb'],
    [withRule('{nonResourceURLs: [/metrics]}'), 'f:6: rules[0].verbs must hold a verb'],
    [
      withRule('{verbs: [get], nonResourceURLs: [/metrics], resources: [pods]}'),
      'f:6: rules[0].nonResourceURLs must not stand beside resources: a rule is about either',
    ],
    [
      withRule("{verbs: [get], nonResourceURLs: [/metrics], apiGroups: ['']}"),
      'f:6: rules[0].nonResourceURLs must not stand beside resources: a rule is about either',
    ],
    [
      withRule('{verbs: [get], nonResourceURLs: [/metrics], resourceNames: [a]}'),
      'f:6: rules[0].nonResourceURLs must not stand beside resources: a rule is about either',
    ],
    [
      withRule('{verbs: [get], nonResourceURLs: []}'),
      'f:6: rules[0].apiGroups must hold a group, or the rule nonResourceURLs',
    ],
    [
      withRule("{verbs: [get], apiGroups: ['']}"),
      'f:6: rules[0].resources must hold a resource, or the rule nonResourceURLs',
    ],
    [
      withRule('{verbs: [get], apiGroups: core, resources: [a]}'),
      'f:6: rules[0].apiGroups must be a list, not a string',
    ],
    [
      withRule('{verbs: [on], nonResourceURLs: [/metrics]}'),
      'f:6: rules[0].verbs[0] must be a string, not a boolean',
    ],
    [
      `${role}aggregationRule: {clusterRoleSelectors: []}\n`,
      'f:11: aggregationRule.clusterRoleSelectors must hold a selector',
    ],
    [
      `${role}aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: In}]}]}\n`,
      'f:11: aggregationRule.clusterRoleSelectors[0].matchExpressions[0].values must be given for In',
    ],
    [
      `${role}aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: Like}]}]}\n`,
      'f:11: aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator must be In, NotIn, Exists or DoesNotExist',
    ],
    [role.replace('name: reader', 'name: a/b'), 'f:4: metadata.name must not be . or .., nor hold / or %'],
    [role.replace('name: reader', 'name: a%b'), 'f:4: metadata.name must not be . or .., nor hold / or %'],
    [role.replace('name: reader', 'name: ..'), 'f:4: metadata.name must not be . or .., nor hold / or %'],
    [role.replace('name: reader', 'generateName: reader-'), 'f:3: metadata.name is missing'],
    [role.replace('name: reader', 'name: yes'), 'f:4: metadata.name must be a string, not a boolean'],
    [role.replace('name: reader', 'name: 0b11'), 'f:4: metadata.name must be a string, not a number'],
    [withMetadata('namespace: 5'), 'f:5: metadata.namespace must be a string, not a number'],
    [withMetadata('labels: {a: 5}'), 'f:5: metadata.labels.a must be a string, not a number'],
    [withMetadata("labels: {a: 'b c'}"), 'f:5: metadata.labels.a is no value of a label'],
    [withMetadata(`labels: {a: ${'x'.repeat(64)}}`), 'f:5: metadata.labels.a is no value of a label'],
    [
      withMetadata('labels: {-a: b}'),
      'f:5: metadata.labels.-a is no qualified name, such as example.com/name',
    ],
    [
      withMetadata('labels: {UP.example/a: b}'),
      'f:5: metadata.labels.UP.example/a is no qualified name, such as example.com/name',
    ],
    [withMetadata('labels: [a]'), 'f:5: metadata.labels must be an object, not a list'],
    [
      withMetadata('annotations: {internal.kcp.io/replicate: true}'),
      'f:5: metadata.annotations.internal.kcp.io/replicate must be a string, not a boolean',
    ],
    [
      withMetadata('annotations: {a b: c}'),
      'f:5: metadata.annotations["a b"] is no qualified name, such as example.com/name',
    ],
    [
      withMetadata(`annotations: {a: ${'x'.repeat(256 * 1024)}}`),
      'f:5: metadata.annotations must not be larger than 256 KiB in all',
    ],
    [
      withMetadata('creationTimestamp: yesterday'),
      'f:5: metadata.creationTimestamp must be a time such as 2026-01-02T03:04:05Z',
    ],
    [withMetadata('generation: -1'), 'f:5: metadata.generation must be a whole number from 0'],
    [
      withMetadata('finalizers: [kubernetes, a]'),
      'f:5: metadata.finalizers[1] is no finalizer, such as example.com/name',
    ],
    [
      withMetadata('finalizers: [a b]'),
      'f:5: metadata.finalizers[0] is no qualified name, such as example.com/name',
    ],
    [
      withMetadata('ownerReferences: [{apiVersion: v1, kind: Pod, name: x}]'),
      'f:5: metadata.ownerReferences[0].uid is missing',
    ],
    [
      withMetadata('managedFields: [Update]'),
      'f:5: metadata.managedFields[0] must be an object, not a string',
    ],
    [
      binding.replace('roleRef:\n  apiGroup: rbac', 'roleRef:\n  apiGroup: xrbac'),
      'f:7: roleRef.apiGroup must be rbac.authorization.k8s.io, not "xrbac.authorization.k8s.io"',
    ],
    [
      binding.replace('io\n  kind: ClusterRole', 'io/v1\n  kind: ClusterRole'),
      'f:7: roleRef.apiGroup must be rbac.authorization.k8s.io, not "rbac.authorization.k8s.io/v1"',
    ],
    [
      binding.replace('  kind: ClusterRole\n', '  kind: clusterrole\n'),
      'f:8: roleRef.kind must be ClusterRole',
    ],
    [binding.replace('  kind: ClusterRole\n', ''), 'f:6: roleRef.kind is missing'],
    [
      binding.replace('  name: reader\nsubjects', "  name: ''\nsubjects"),
      'f:9: roleRef.name must not be empty',
    ],
    [
      binding.replace('  name: reader\nsubjects', '  name: a/b\nsubjects'),
      'f:9: roleRef.name must not be . or .., nor hold / or %',
    ],
    [
      withSubject('{kind: User, apiGroup: example.com, name: a}'),
      'f:11: subjects[0].apiGroup must be rbac.authorization.k8s.io, not "example.com"',
    ],
    [
      withSubject('{kind: Group, apiGroup: v1, name: a}'),
      'f:11: subjects[0].apiGroup must be rbac.authorization.k8s.io, not "v1"',
    ],
    [
      withSubject('{kind: ServiceAccount, apiGroup: rbac.authorization.k8s.io, name: a, namespace: b}'),
      'f:11: subjects[0].apiGroup must be empty',
    ],
    [withSubject('{kind: ServiceAccount, name: a}'), 'f:11: subjects[0].namespace is missing'],
    [
      withSubject("{kind: ServiceAccount, name: a, namespace: ''}"),
      'f:11: subjects[0].namespace must not be empty',
    ],
    [
      withSubject('{kind: ServiceAccount, name: A, namespace: b}'),
      'f:11: subjects[0].name must be a DNS subdomain: lower-case letters, digits, - and .',
    ],
    [
      withSubject("{kind: ServiceAccount, name: 'a:b', namespace: b}"),
      'f:11: subjects[0].name must be a DNS subdomain: lower-case letters, digits, - and .',
    ],
    [withSubject('{kind: user, name: a}'), 'f:11: subjects[0].kind must be User, Group or ServiceAccount'],
    [withSubject('{kind: User, name: off}'), 'f:11: subjects[0].name must be a string, not a boolean'],
    [withSubject("{kind: Group, name: ''}"), 'f:11: subjects[0].name must not be empty'],
    [
      withSubject('{kind: User, name: a, namespace: 5}'),
      'f:11: subjects[0].namespace must be a string, not a number',
    ],
  ])('%s', (text, message) => {
    for (const [shown, moved] of [
      [text, message],
      // One good object before it, in a List, grants nothing either.
      [
        `apiVersion: v1\nkind: List\nitems:\n${indented(role.replace('reader', 'other'))}${indented(text)}`,
        undefined,
      ],
    ] as const) {
      expect(() => parseManifest(shown, 'f')).toThrow(
        expect.objectContaining({
          name: 'ManifestError',
          message: moved ?? (expect.stringMatching(/^f:[1-9]\d*: items\[1\]\./) as string),
        }),
      );
    }
  });

  it.each<[string, string]>([
    [
      'empty groups, which are filled in',
      withSubject("{kind: User, apiGroup: '', name: a}").replace(
        'apiGroup: rbac.authorization.k8s.io',
        "apiGroup: ''",
      ),
    ],
    ['a namespace on a User, which nobody looks at', withSubject('{kind: User, name: a, namespace: b}')],
    ['a namespace, which is dropped', withMetadata('namespace: x')],
    ['no rules', role.replace(/rules:[^]*/, 'rules:\n')],
    ['no subjects', binding.replace(/subjects:[^]*/, 'subjects: []\n')],
    ['names of any letters', role.replace('name: reader', 'name: "System:Ä b"')],
    [
      'annotations and labels of every allowed form',
      withMetadata(
        "annotations: {Example.com/A_b: '', internal.kcp.io/replicate: }\n  labels: {a: '', example.com/b: C_1.d, c: }",
      ),
    ],
    [
      'what an API server fills in',
      withMetadata(
        'uid: u\n  resourceVersion: "5"\n  generation: 2\n  creationTimestamp: 2026-03-01T10:11:12Z\n  selfLink: /x\n  finalizers: [example.com/a, orphan]\n  ownerReferences: [{apiVersion: v1, kind: A, name: b, uid: c}]\n  managedFields: [{manager: a, operation: Update}]',
      ),
    ],
    ['a creation that is not known, as kubectl prints it', withMetadata('creationTimestamp: null')],
    ['managed fields of no known operation', withMetadata('managedFields: [{}, {operation: Read}]')],
    [
      'many resource names of many resources',
      withRule("{verbs: ['*'], apiGroups: ['*'], resources: [a, d], resourceNames: [b, c]}"),
    ],
  ])('but not %s', (_, text) => {
    expect(parseManifest(text, 'f')).toMatchObject({ objects: [{}], warnings: [] });
  });
});

/** Never anything else than an answer or a ManifestError of one line that begins with where. */
const expectAnswer = (text: string): void => {
  try {
    const { objects } = parseManifest(text, 'f');
    for (const { origin } of objects) expect(origin).toMatch(/^f:[1-9]\d*$/);
  } catch (error) {
    expect(error).toBeInstanceOf(ManifestError);
    expect((error as Error).message).toMatch(/^f:[1-9]\d*: [^\n]+$/);
  }
};

describe('a manifest that is told in parts', () => {
  /** As another thread gives it, one message after the other. */
  const retold = (text: string): { manifest: Manifest | string; parts: number } => {
    const objects: PolicyObject[] = [];
    let parts = 0;
    for (const part of partsOf({ file: 'f', bytes: Buffer.from(text) })) {
      parts += 1;
      const told = structuredClone(part);
      if (told.kind === 'fault') return { manifest: told.message, parts };
      if (told.kind === 'end') return { manifest: { objects, warnings: told.warnings }, parts };
      for (const piece of told.pieces) addPiece(objects, piece);
    }
    throw new Error('it has no end');
  };

  it('is the same, or is refused alike', () => {
    const subjects = fc.array(fc.constantFrom('ann', 'bob'), { maxLength: 3 });
    const text = fc
      .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', '5', 'a/b'), fc.boolean(), subjects), {
        maxLength: 4,
      })
      .map((objects) =>
        objects
          .map(([name, isRole, names]) =>
            isRole
              ? role.replace('name: reader', `name: ${name}`)
              : binding
                  .replace('name: readers', `name: ${name}`)
                  .replace(
                    /subjects:[^]*/,
                    `subjects: [${names.map((one) => `{kind: User, name: ${one}}`).join()}]\n`,
                  ),
          )
          .join('---\n'),
      );
    fc.assert(
      fc.property(text, (whole) => {
        let direct: Manifest | string;
        try {
          direct = parseManifest(whole, 'f');
        } catch (error) {
          direct = (error as Error).message;
        }
        expect(retold(whole).manifest).toEqual(direct);
      }),
    );
  });

  it('is in short parts, however long its objects are', () => {
    const names = Array.from({ length: 2500 }, (_, at) => `user-${at}`);
    const long = binding.replace(
      /subjects:[^]*/,
      `subjects:\n${names.map((name) => `- {kind: User, name: ${name}}\n`).join('')}`,
    );
    const { manifest, parts } = retold(`${role}---\n${long}---\n${role.replace('reader', 'other')}`);
    expect(parts).toBeGreaterThan(3);
    expect(manifest).toEqual(
      parseManifest(`${role}---\n${long}---\n${role.replace('reader', 'other')}`, 'f'),
    );
  });

  it.each([
    [1, 2500],
    [2500, 1],
    [1001, 1001],
  ])('grants the same by a rule of %i verbs and %i paths', (verbs, urls) => {
    const list = (count: number, start: string): string =>
      Array.from({ length: count }, (_, at) => `${start}${at}`).join(', ');
    const text = withRule(`{verbs: [${list(verbs, 'v')}], nonResourceURLs: [${list(urls, '/')}]}`);
    const { manifest } = retold(text);
    const granted = (found: Manifest | string): unknown =>
      typeof found === 'string'
        ? found
        : found.objects.map((object) =>
            object.kind === 'ClusterRole'
              ? grantsOf(object.rules).exact.map(([url, set]) => [url, set.size])
              : object,
          );
    expect(granted(manifest)).toEqual(granted(parseManifest(text, 'f')));
  });

  it('names its file where it is not UTF-8', () => {
    expect([...partsOf({ file: 'f', bytes: Buffer.from([0x61, 0xff]) })]).toEqual([
      { kind: 'fault', message: 'f:1: is not UTF-8' },
    ]);
  });
});

describe('whatever a manifest holds, it is read or refused in one line', () => {
  const scrap = fc.constantFrom(
    ...[
      '[',
      ']',
      '{',
      '}',
      ': ',
      '- ',
      '? ',
      '&a ',
      '*a',
      '!!set ',
      '!x ',
      '|\n ',
      '>\n',
      '"',
      "'",
      '#',
      '\n',
    ],
    ...[
      '---\n',
      '...\n',
      '%YAML 1.1\n',
      '%TAG ! x\n',
      '<<: ',
      '\t',
      '  ',
      ',',
      '\0',
      '\ufeff',
      '\ud800',
      '`',
      '@',
    ],
    ...[
      'kind: ',
      'List',
      'ClusterRole',
      'items:\n',
      'metadata:\n',
      'name: x\n',
      'rules:\n',
      'null',
      '5',
      '1e999',
    ],
  );

  it('random text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), expectAnswer), { numRuns: 300 });
  });

  it('scraps of YAML', () => {
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 60 }), (scraps) => {
        expectAnswer(scraps.join(''));
      }),
      { numRuns: 1000 },
    );
  });

  it('manifests with something cut out and something put in', () => {
    const whole = `${role}---\n${binding}---\nkind: List\nitems:\n${indented(role)}`;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length), fc.nat(12), fc.oneof(scrap, fc.string({ maxLength: 5 }))), {
          minLength: 1,
          maxLength: 6,
        }),
        (cuts) => {
          let text = whole;
          for (const [at, length, put] of cuts) text = text.slice(0, at) + put + text.slice(at + length);
          expectAnswer(text);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expectAnswer(json);
        expectAnswer(`{"kind": "List", "items": [${json}]}`);
        expectAnswer(
          `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": ${json}}`,
        );
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    '[',
    '{a: ',
    '- ',
    '? ',
    'a:\n ',
    '&a ',
    '!',
    '"',
    '| ',
    '[[],',
    'a: 1\n',
    '&a a\n',
    '---\n',
    '}',
    '%A\n',
    ': ',
    '*a ',
  ])('%j 20,000 times', (unit) => {
    expectAnswer(unit.repeat(20_000));
  });
});
