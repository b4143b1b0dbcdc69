import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { bootstrapPolicy } from '../../../src/policy/sources/bootstrap.js';
import { parseManifest } from '../../../src/policy/sources/manifest.js';

const directory = new URL('../../../rbac/', import.meta.url);
const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .sort();
const bindingFiles = files.filter(
  (file) => file !== 'bootstrap-policy.yaml' && file !== 'kustomization.yaml' && !file.includes('/'),
);
const read = (file: string): string => readFileSync(new URL(file, directory), 'utf8');

describe('the manifests to apply', () => {
  it.each(files)('%s reads without a warning', (file) => {
    expect(parseManifest(read(file), file).warnings).toEqual([]);
  });

  it.each([
    ['monitoring-group.yaml', { kind: 'Group', name: 'monitoring' }],
    [
      'prometheus-service-account.yaml',
      { kind: 'ServiceAccount', name: 'prometheus', namespace: 'monitoring' },
    ],
    ['prometheus-user.yaml', { kind: 'User', name: 'prometheus' }],
  ])('%s is one replicated binding to the metrics reader', (file, subject) => {
    const { objects } = parseManifest(read(file), file);
    expect(objects).toEqual([
      expect.objectContaining({
        kind: 'ClusterRoleBinding',
        role: 'system:kcp:metrics-reader',
        subjects: [subject],
        replicated: true,
      }),
    ]);
  });

  it.each(bindingFiles)('%s says what happens without the annotation', (file) => {
    const text = read(file);
    expect(text).toContain("internal.kcp.io/replicate: 'true'");
    expect(text).toMatch(/Without it .* root shard .* 403 by every other shard/);
  });

  it('are told apart by name', () => {
    const names = bindingFiles.flatMap((file) =>
      parseManifest(read(file), file).objects.map(({ name }) => name),
    );
    expect(new Set(names).size).toBe(bindingFiles.length);
  });

  it('bind a role that kcp installs itself', () => {
    expect(bootstrapPolicy()).toContainEqual(
      expect.objectContaining({ kind: 'ClusterRole', name: 'system:kcp:metrics-reader' }),
    );
  });

  it('are all listed for kustomize, and nothing else is', () => {
    expect(parse(read('kustomization.yaml'))).toEqual({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: bindingFiles,
    });
  });
});

describe('api-access/replicate.yaml', () => {
  const [role, binding] = parseAllDocuments(read('api-access/replicate.yaml')).map(
    (document) => document.toJS() as unknown,
  );

  it('grants list, watch and patch, lets into root, and gives nothing away but a scrape', () => {
    const apiGroups = ['rbac.authorization.k8s.io'];
    expect(role).toMatchObject({
      kind: 'ClusterRole',
      rules: [
        { apiGroups, resources: ['clusterroles', 'clusterrolebindings'], verbs: ['list', 'watch', 'patch'] },
        {
          apiGroups,
          resources: ['clusterroles'],
          resourceNames: ['system:kcp:metrics-reader', 'system:monitoring'],
          verbs: ['bind'],
        },
        { nonResourceURLs: ['/metrics', '/metrics/*'], verbs: ['get'] },
        { nonResourceURLs: ['/'], verbs: ['access'] },
      ],
    });
  });

  it('binds it to one user', () => {
    const name = 'kcp-metrics-filter:replicate';
    expect(role).toMatchObject({ metadata: { name } });
    expect(binding).toMatchObject({
      kind: 'ClusterRoleBinding',
      roleRef: { kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', name: 'metrics-replicator' }],
    });
  });
});

describe('api-access/policy-reader.yaml', () => {
  const [role, binding] = parseAllDocuments(read('api-access/policy-reader.yaml'))
    .map(String)
    .map((text): unknown => parse(text));

  it('lets its user list and watch the policy and come into root, and no more', () => {
    expect(role).toMatchObject({
      kind: 'ClusterRole',
      rules: [
        {
          apiGroups: ['rbac.authorization.k8s.io'],
          resources: ['clusterroles', 'clusterrolebindings'],
          verbs: ['list', 'watch'],
        },
        { nonResourceURLs: ['/'], verbs: ['access'] },
      ],
    });
    expect(role).not.toHaveProperty('aggregationRule');
  });

  it('binds it to one user', () => {
    const name = 'kcp-metrics-filter:policy-reader';
    expect(role).toMatchObject({ metadata: { name } });
    expect(binding).toMatchObject({
      kind: 'ClusterRoleBinding',
      roleRef: { kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', name: 'metrics-policy-reader' }],
    });
  });
});
