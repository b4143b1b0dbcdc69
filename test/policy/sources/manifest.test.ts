import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManifestError } from '../../../src/policy/policy-errors.js';
import { addPart } from '../../../src/policy/sources/manifest-thread.js';
import { partsOf } from '../../../src/policy/sources/manifest-worker.js';
import { parseManifest, type Manifest } from '../../../src/policy/sources/manifest.js';
import type { PolicyObject } from '../../../src/policy/objects.js';
import { grantsOf } from '../../../src/policy/index/roles.js';
import { anyCharacter } from '../../support/any-character.js';

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
      'f:11: "rule" is not a known field and is ignored',
    ],
    [
      'a field of a rule that nobody knows',
      role.replace('    nonResourceURLs', '    nonResourceUrls: [/debug]\n    nonResourceURLs'),
      'f:7: "nonResourceUrls" is not a known field and is ignored',
    ],
    [
      'a field of a roleRef that nobody knows',
      binding.replace('  kind: ClusterRole\n', '  kind: ClusterRole\n  namespace: x\n'),
      'f:9: "namespace" is not a known field and is ignored',
    ],
    [
      'a field of a subject that nobody knows',
      binding.replace('    name: monitoring\n', '    name: monitoring\n    users: []\n'),
      'f:16: "users" is not a known field and is ignored',
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

/** Refused, with the message of a ManifestError behind `f:`. */
function expectRefused(text: string, message: string): void {
  expect(() => parseManifest(text, 'f')).toThrow(
    expect.objectContaining({ name: 'ManifestError', code: 'ERR_MANIFEST', message: `f:${message}` }),
  );
}

describe('a manifest is refused', () => {
  const urls = "[/metrics, '/metrics/*']";
  const replicate = '{internal.kcp.io/replicate: manual}';
  /** What is written in the place of what. */
  type Edits = Readonly<Record<string, readonly [search: string, replacement: string]>>;
  const inRole: Edits = {
    '7: Flow sequence in block collection must be sufficiently indented and end with a ]': [
      '[get, head]',
      '[get',
    ],
    '5: duplicate key "name", first on line 4': ['  name: reader', '  name: reader\n  name: other'],
    '1: apiVersion must be rbac.authorization.k8s.io/v1, not "rbac.authorization.k8s.io/v1beta1"': [
      'io/v1',
      'io/v1beta1',
    ],
    '1: metadata.name is missing': ['metadata:\n  name: reader\n', ''],
    '3: metadata must be an object, not a string': ['metadata:\n  name: reader', 'metadata: reader'],
    '3: metadata.name is missing': ['  name: reader', '  labels: {}'],
    '4: metadata.name must not be empty': ['reader', "''"],
    '4: metadata.name is missing': ['reader', 'null'],
    '4: metadata.name must be a string, not a number': ['reader', '5'],
    '8: rules[1] must be an object, not a string': ['  - verbs: [list]\n', '  - get\n  - verbs: [list]\n'],
    '8: rules[1] must not be null': ['  - verbs: [list]\n', '  -\n  - verbs: [list]\n'],
    '6: rules[0].verbs must be a list, not a string': ['[get, head]', 'get'],
    '6: rules[0].verbs[1] must be a string, not a number': ['[get, head]', '[get, 1]'],
    '8: rules[1].verbs[0] must be a string, not a boolean': ['[list]', '[true]'],
    '7: rules[0].nonResourceURLs must be a list, not a string': [urls, '/metrics'],
    '9: rules[0].nonResourceURLs[1] must be a string, not a list': [
      urls,
      '\n    - /metrics\n    - [/metrics]',
    ],
  };
  const inBinding: Edits = {
    '1: roleRef.kind is missing': ['roleRef:', 'roleref:'],
    '6: roleRef must be an object, not a string': [
      'roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: reader',
      'roleRef: reader',
    ],
    '8: roleRef.kind must be ClusterRole': ['  kind: ClusterRole\n', '  kind: Role\n'],
    '6: roleRef.name is missing': ['  name: reader\n', ''],
    '10: subjects must be a list, not an object': ['subjects:\n', 'subjects: {}\nx:\n'],
    '11: subjects[0] must be an object, not a string': ['subjects:\n', 'subjects:\n  - prometheus\n'],
    '14: subjects[1].kind must be User, Group or ServiceAccount': ['kind: Group', 'kind: Team'],
    '14: subjects[1].kind is missing': ['  - kind: Group\n    name', '  - name'],
    '14: subjects[1].name is missing': ['    name: monitoring\n', ''],
    '18: subjects[2].namespace must be a string, not a number': ['namespace: monitoring', 'namespace: 5'],
    '5: metadata.annotations must be an object, not a list': [replicate, '[internal.kcp.io/replicate]'],
  };
  const edited = [...Object.entries(inRole), ...Object.entries(inBinding)];
  it.each(edited)('%s', (message, [search, replacement]) => {
    const text = message in inRole ? role : binding;
    expect(text).toContain(search);
    expectRefused(
      text.replace(search, () => replacement),
      message,
    );
  });

  it.each<[message: string, text: () => string]>([
    ['2: Tabs are not allowed as indentation', () => 'a:\n\tb: 1\n'],
    ['2: duplicate key "kind", first on line 1', () => '{"kind": "A",\n"kind": "B"}'],
    ['1: With stringKeys, all keys must be strings', () => '? [a]\n: b\n'],
    ['2: no anchor before the alias *nope', () => 'a:\n  b: *nope\n'],
    ['12: a document must be an object, not a string', () => `${role}---\nhello\n`],
    ['1: a document must be an object, not a list', () => '- a\n'],
    ['1: a document must be an object, not a number', () => '5'],
    ['1: a document must be an object, not an object of another type', () => '!!set {a, b}'],
    ['1: kind must be a string, not a number', () => 'kind: 5'],
    ['1: apiVersion is missing', () => withoutType(`\n${role}`)],
    [
      '2: apiVersion must be rbac.authorization.k8s.io/v1, not "rbac.authorization.k8s.io/v1beta1"',
      () => 'kind: ClusterRoleList\napiVersion: rbac.authorization.k8s.io/v1beta1\n',
    ],
    [
      '4: rules must be a list, not an object',
      () =>
        'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\nrules:\n  verbs: [get]\n',
    ],
    ['31: ClusterRole "reader" is already defined at f:1', () => `${role}---\n${binding}---\n${role}`],
    ['2: items must be a list, not a string', () => 'kind: List\nitems: none'],
    ['3: items[0] must not be a List itself', () => 'kind: List\nitems:\n- kind: List\n'],
    ['3: items[0] must not be a List itself', () => 'kind: List\nitems: &a\n- kind: List\n  items: *a\n'],
    ['3: items[0] must not be null', () => 'kind: List\nitems:\n-\n'],
    ['3: items[0] must be an object, not a string', () => 'kind: List\nitems:\n- x\n'],
    [
      '5: items[0].kind must be ClusterRole in a ClusterRoleList',
      () => `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleList\nitems:\n${indented(binding)}`,
    ],
    ['2: nested deeper than 100 levels', () => `a:\n  ${'['.repeat(200_000)}`],
    ['2: more than 100 aliases in one document', () => `a: &a x\nb: [${'*a, '.repeat(101)}]`],
    [
      '1: Excessive alias count indicates a resource exhaustion attack',
      () =>
        `a: &a [x]\n${Array.from('bcdefghi')
          .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'.charAt(at)}, `.repeat(9)}]\n`)
          .join('')}`,
    ],
    [
      '1: more than 1000000 values in one document: separate its objects by `---`',
      () => `a: [${'x,'.repeat(1_000_001)}]`,
    ],
  ])('%s', (message, text) => {
    expectRefused(text(), message);
  });
});

/** With `metadata.<field>` beside the name. */
const withMetadata = (field: string): string => role.replace('name: reader', `name: reader\n  ${field}`);
const withRule = (rule: string): string => role.replace(/rules:[^]*/, `rules:\n  - ${rule}\n`);
const withSubject = (subject: string): string =>
  binding.replace(/subjects:[^]*/, `subjects:\n  - ${subject}\n`);

/** Kubernetes' own validation: pkg/apis/rbac/validation, and ValidateObjectMeta of apimachinery. */
describe('what an API server refuses grants nothing:', () => {
  const noBoth = 'nonResourceURLs cannot be combined with resources: a rule covers one of them';
  const badName = 'must not be . or .., nor hold / or %';
  const notQualified = 'is no qualified name, such as example.com/name';
  const notSubdomain = 'must be a DNS subdomain: lower-case letters, digits, - and .';
  const ofKubernetes = 'must be rbac.authorization.k8s.io, not';
  const withRoleName = (field: string): string => role.replace('name: reader', field);
  const withSelector = (selector: string): string =>
    `${role}aggregationRule: {clusterRoleSelectors: [${selector}]}\n`;
  const withRoleRef = (search: string, replacement: string): string => binding.replace(search, replacement);
  /** Where in it, and what of it: `f:6: rules[0].verbs must hold a verb`. */
  const refusals: readonly (readonly [
    of: (part: string) => string,
    at: string,
    Readonly<Record<string, string>>,
  ])[] = [
    [
      withRule,
      'f:6: rules[0].',
      {
        '{verbs: [], nonResourceURLs: [/metrics]}': 'verbs must hold a verb',
        '{nonResourceURLs: [/metrics]}': 'verbs must hold a verb',
        '{verbs: [get], nonResourceURLs: [/metrics], resources: [pods]}': noBoth,
        "{verbs: [get], nonResourceURLs: [/metrics], apiGroups: ['']}": noBoth,
        '{verbs: [get], nonResourceURLs: [/metrics], resourceNames: [a]}': noBoth,
        '{verbs: [get], nonResourceURLs: []}': 'apiGroups must hold a group, or the rule nonResourceURLs',
        "{verbs: [get], apiGroups: ['']}": 'resources must hold a resource, or the rule nonResourceURLs',
        '{verbs: [get], apiGroups: core, resources: [a]}': 'apiGroups must be a list, not a string',
        '{verbs: [on], nonResourceURLs: [/metrics]}': 'verbs[0] must be a string, not a boolean',
      },
    ],
    [
      withSelector,
      'f:11: aggregationRule.clusterRoleSelectors',
      {
        '': ' must hold a selector',
        '{matchExpressions: [{key: a, operator: In}]}': '[0].matchExpressions[0].values must be given for In',
        '{matchExpressions: [{key: a, operator: Like}]}':
          '[0].matchExpressions[0].operator must be In, NotIn, Exists or DoesNotExist',
      },
    ],
    [
      withRoleName,
      'f:4: metadata.name ',
      {
        'name: a/b': badName,
        'name: a%b': badName,
        'name: ..': badName,
        'name: yes': 'must be a string, not a boolean',
        'name: 0b11': 'must be a string, not a number',
      },
    ],
    [withRoleName, 'f:3: metadata.name ', { 'generateName: reader-': 'is missing' }],
    [
      withMetadata,
      'f:5: metadata.',
      {
        'namespace: 5': 'namespace must be a string, not a number',
        'labels: {a: 5}': 'labels.a must be a string, not a number',
        "labels: {a: 'b c'}": 'labels.a is no value of a label',
        [`labels: {a: ${'x'.repeat(64)}}`]: 'labels.a is no value of a label',
        'labels: {-a: b}': `labels.-a ${notQualified}`,
        'labels: {UP.example/a: b}': `labels.UP.example/a ${notQualified}`,
        'labels: [a]': 'labels must be an object, not a list',
        'annotations: {internal.kcp.io/replicate: true}':
          'annotations.internal.kcp.io/replicate must be a string, not a boolean',
        'annotations: {a b: c}': `annotations["a b"] ${notQualified}`,
        [`annotations: {a: ${'x'.repeat(256 * 1024)}}`]: 'annotations must not be larger than 256 KiB in all',
        'creationTimestamp: yesterday': 'creationTimestamp must be a time such as 2026-01-02T03:04:05Z',
        'generation: -1': 'generation must be a whole number from 0',
        'finalizers: [kubernetes, a]': 'finalizers[1] is no finalizer, such as example.com/name',
        'finalizers: [a b]': `finalizers[0] ${notQualified}`,
        'ownerReferences: [{apiVersion: v1, kind: Pod, name: x}]': 'ownerReferences[0].uid is missing',
        'managedFields: [Update]': 'managedFields[0] must be an object, not a string',
      },
    ],
    [
      withSubject,
      'f:11: subjects[0].',
      {
        '{kind: User, apiGroup: example.com, name: a}': `apiGroup ${ofKubernetes} "example.com"`,
        '{kind: Group, apiGroup: v1, name: a}': `apiGroup ${ofKubernetes} "v1"`,
        '{kind: ServiceAccount, apiGroup: rbac.authorization.k8s.io, name: a, namespace: b}':
          'apiGroup must be empty',
        '{kind: ServiceAccount, name: a}': 'namespace is missing',
        "{kind: ServiceAccount, name: a, namespace: ''}": 'namespace must not be empty',
        '{kind: ServiceAccount, name: A, namespace: b}': `name ${notSubdomain}`,
        "{kind: ServiceAccount, name: 'a:b', namespace: b}": `name ${notSubdomain}`,
        '{kind: user, name: a}': 'kind must be User, Group or ServiceAccount',
        '{kind: User, name: off}': 'name must be a string, not a boolean',
        "{kind: Group, name: ''}": 'name must not be empty',
        '{kind: User, name: a, namespace: 5}': 'namespace must be a string, not a number',
      },
    ],
  ];
  const written = refusals.flatMap(([of, at, parts]) =>
    Object.entries(parts).map(([part, fault]) => [of(part), `${at}${fault}`] as const),
  );

  it.each<readonly [string, string]>([
    ...written,
    [
      withRoleRef('roleRef:\n  apiGroup: rbac', 'roleRef:\n  apiGroup: xrbac'),
      `f:7: roleRef.apiGroup ${ofKubernetes} "xrbac.authorization.k8s.io"`,
    ],
    [
      withRoleRef('io\n  kind: ClusterRole', 'io/v1\n  kind: ClusterRole'),
      `f:7: roleRef.apiGroup ${ofKubernetes} "rbac.authorization.k8s.io/v1"`,
    ],
    [withRoleRef('  kind: ClusterRole\n', '  kind: clusterrole\n'), 'f:8: roleRef.kind must be ClusterRole'],
    [withRoleRef('  kind: ClusterRole\n', ''), 'f:6: roleRef.kind is missing'],
    [withRoleRef('  name: reader\nsubjects', "  name: ''\nsubjects"), 'f:9: roleRef.name must not be empty'],
    [withRoleRef('  name: reader\nsubjects', '  name: a/b\nsubjects'), `f:9: roleRef.name ${badName}`],
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

  it.each(
    Object.entries<string>({
      'empty groups, which are filled in': withSubject("{kind: User, apiGroup: '', name: a}").replace(
        'apiGroup: rbac.authorization.k8s.io',
        "apiGroup: ''",
      ),
      'a namespace on a User, which nobody looks at': withSubject('{kind: User, name: a, namespace: b}'),
      'a namespace, which is dropped': withMetadata('namespace: x'),
      'no rules': role.replace(/rules:[^]*/, 'rules:\n'),
      'no subjects': binding.replace(/subjects:[^]*/, 'subjects: []\n'),
      'names of any letters': role.replace('name: reader', 'name: "System:Ä b"'),
      'annotations and labels of every allowed form': withMetadata(
        "annotations: {Example.com/A_b: '', internal.kcp.io/replicate: }\n  labels: {a: '', example.com/b: C_1.d, c: }",
      ),
      'what an API server fills in': withMetadata(
        'uid: u\n  resourceVersion: "5"\n  generation: 2\n  creationTimestamp: 2026-03-01T10:11:12Z\n  selfLink: /x\n  finalizers: [example.com/a, orphan]\n  ownerReferences: [{apiVersion: v1, kind: A, name: b, uid: c}]\n  managedFields: [{manager: a, operation: Update}]',
      ),
      'a creation that is not known, as kubectl prints it': withMetadata('creationTimestamp: null'),
      'managed fields of no known operation': withMetadata('managedFields: [{}, {operation: Read}]'),
      'many resource names of many resources': withRule(
        "{verbs: ['*'], apiGroups: ['*'], resources: [a, d], resourceNames: [b, c]}",
      ),
    }),
  )('but not %s', (_, text) => {
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
      for (const object of told.objects) addPart(objects, object);
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
    [2001, 2001],
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
  const marks = '[¦]¦{¦}¦: ¦- ¦? ¦&a ¦*a¦!!set ¦!x ¦|\n ¦>\n¦"¦\'¦#¦\n¦<<: ¦\t¦  ¦,¦\0¦\ufeff¦\ud800¦`¦@';
  const lines = '---\n¦...\n¦%YAML 1.1\n¦%TAG ! x\n¦items:\n¦metadata:\n¦name: x\n¦rules:\n¦kind: ';
  const values = 'List¦ClusterRole¦null¦5¦1e999';
  const scrap = fc.constantFrom(...[marks, lines, values].flatMap((words) => words.split('¦')));

  it('random text', () => {
    fc.assert(fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), expectAnswer), { numRuns: 300 });
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

  const repeated = '[¦{a: ¦- ¦? ¦a:\n ¦&a ¦!¦"¦| ¦[[],¦a: 1\n¦&a a\n¦---\n¦}¦%A\n¦: ¦*a ';
  it.each(repeated.split('¦'))('%j 20,000 times', (unit) => {
    expectAnswer(unit.repeat(20_000));
  });
});
