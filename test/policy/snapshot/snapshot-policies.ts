import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { SnapshotLayer } from '../../../src/policy/snapshot/snapshot-format.js';
import type {
  ClusterRole,
  ClusterRoleBinding,
  LogicalCluster,
  PolicyObject,
  Subject,
} from '../../../src/policy/objects.js';
import { anyCharacter } from '../../support/any-character.js';

/** Names that meet often, and texts that are hard to keep. */
const text = fc.oneof(
  fc.constantFrom('reader', 'ann', 'team', 'system:kcp:metrics-reader', '__proto__', ''),
  fc.string({ unit: anyCharacter, maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom('\ud800', '\udc00', '\n', '\r', '\u2028', '"', '\\', '\0'),
    maxLength: 5,
  }),
);
const texts = fc.array(text, { maxLength: 3 });

const role: fc.Arbitrary<ClusterRole> = fc.record(
  {
    kind: fc.constant('ClusterRole' as const),
    name: text,
    rules: fc.array(fc.record({ verbs: texts, nonResourceURLs: texts }), { maxLength: 3 }),
    cluster: text,
    origin: text,
  },
  { requiredKeys: ['kind', 'name', 'rules'] },
);
const subject: fc.Arbitrary<Subject> = fc.record(
  {
    kind: fc.constantFrom('User' as const, 'Group' as const, 'ServiceAccount' as const),
    name: text,
    namespace: text,
  },
  { requiredKeys: ['kind', 'name'] },
);
const binding: fc.Arbitrary<ClusterRoleBinding> = fc.record(
  {
    kind: fc.constant('ClusterRoleBinding' as const),
    name: text,
    role: text,
    subjects: fc.array(subject, { maxLength: 3 }),
    replicated: fc.boolean(),
    cluster: text,
    origin: text,
  },
  { requiredKeys: ['kind', 'name', 'role', 'subjects', 'replicated'] },
);

const logicalCluster: fc.Arbitrary<LogicalCluster> = fc.record(
  {
    kind: fc.constant('LogicalCluster' as const),
    name: text,
    cluster: text,
    path: text,
    requiredGroups: text,
    isReady: fc.boolean(),
    origin: text,
  },
  { requiredKeys: ['kind', 'name', 'cluster', 'isReady'] },
);

/** As they come, no two of one kind and name. */
export const policyObjects: fc.Arbitrary<PolicyObject[]> = fc.uniqueArray(
  fc.oneof(role, binding, logicalCluster),
  { selector: ({ kind, name }) => `${kind} ${name}`, maxLength: 12 },
);

export const snapshotLayers: fc.Arbitrary<SnapshotLayer[]> = fc.uniqueArray(
  fc.record({
    layer: text,
    origin: text,
    syncedAt: fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e12, noNaN: true })),
    objects: policyObjects,
  }),
  { selector: ({ layer }) => layer, maxLength: 4 },
);

export const reader: ClusterRole = {
  kind: 'ClusterRole',
  name: 'reader',
  rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
};
export const bindingOf = (user: string): ClusterRoleBinding => ({
  kind: 'ClusterRoleBinding',
  name: `${user}-reads`,
  role: 'reader',
  subjects: [{ kind: 'User', name: user }],
  replicated: false,
});

/** As many bindings as asked for, of about 200 bytes each. */
export function manyBindings(count: number, mark = ''): readonly ClusterRoleBinding[] {
  return Array.from({ length: count }, (_, at) => bindingOf(`${mark}user-${at}-${'x'.repeat(60)}`));
}

export const header = (
  ...layers: readonly (Omit<SnapshotLayer, 'objects'> & { readonly objects: number })[]
): Readonly<Record<string, unknown>> => ({
  apiVersion: 'kcp-metrics-filter/v1alpha1',
  kind: 'PolicySnapshot',
  layers,
});

/** A snapshot under a right checksum, whatever stands in it. */
export function sealed(
  firstLine: Readonly<Record<string, unknown>>,
  lines: readonly (string | Buffer)[] = [],
): Buffer {
  const under = (sha256: string): Buffer =>
    Buffer.concat(
      [JSON.stringify({ ...firstLine, sha256 }), ...lines].map((line) =>
        Buffer.concat([Buffer.from(line), Buffer.from('\n')]),
      ),
    );
  return under(
    createHash('sha256')
      .update(under('0'.repeat(64)))
      .digest('hex'),
  );
}
