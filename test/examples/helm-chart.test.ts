import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startOptions } from '../../src/options/start-topics.js';
import { repository } from './commands.js';
import { faultsOf, objectsIn } from './manifest-schemas.js';

interface Pod {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly containers: readonly {
    readonly name: string;
    readonly args?: readonly string[];
    readonly securityContext?: object;
    readonly volumeMounts?: readonly { readonly mountPath: string }[];
  }[];
}

const text = (file: string): string => readFileSync(join(repository, file), 'utf8');
const known: ReadonlySet<string> = new Set(startOptions.map(({ name }) => name));

/** As helm renders them: test/e2e/helm-chart.e2e.ts compares these files with what it prints. */
describe.each(['gateway', 'sidecar'])('examples/helm-chart as a %s', (mode) => {
  const objects = objectsIn(text(`test/examples/helm-chart/${mode}.yaml`));
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
    readonly spec: { readonly template: { readonly spec: Pod } };
  };
  const pod = deployment.spec.template.spec;
  const filter = pod.containers.find(({ name }) => name === 'kcp-metrics-filter');
  const hasToken = mode === 'gateway';

  it('is what the published schemas of its kinds take', () => {
    expect(faultsOf(objects)).toEqual([]);
  });

  it('has the kinds that its values ask for', () => {
    const kinds = objects.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(
      hasToken
        ? [
            ...['ClusterRole', 'ClusterRole', 'ClusterRoleBinding', 'ClusterRoleBinding', 'Deployment'],
            ...['NetworkPolicy', 'Service', 'ServiceAccount', 'ServiceMonitor'],
          ]
        : ['Deployment', 'NetworkPolicy', 'Service', 'ServiceAccount'],
    );
  });

  it('runs with as little as it needs', () => {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext).toEqual({ seccompProfile: { type: 'RuntimeDefault' } });
    expect(filter?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      capabilities: { drop: ['ALL'] },
    });
    const tokens = pod.containers.flatMap(({ name, volumeMounts = [] }) =>
      volumeMounts.filter(({ mountPath }) => mountPath.includes('serviceaccount')).map(() => name),
    );
    expect(tokens).toEqual(hasToken ? ['kcp-metrics-filter'] : []);
  });

  it('gives flags that exist, with files that are mounted', () => {
    const [command, ...flags] = filter?.args ?? [];
    expect(command).toBe('start');
    expect(flags.map((flag) => flag.split('=')[0] ?? '').filter((flag) => !known.has(flag))).toEqual([]);
    const mounts = filter?.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
    const files = flags.flatMap((flag) => /=(\/.*)/.exec(flag)?.[1] ?? []);
    expect(files.filter((file) => !mounts.some((mount) => `${file}/`.startsWith(`${mount}/`)))).toEqual([]);
    expect(files.length).toBeGreaterThan(1);
  });
});

describe('the values of examples/helm-chart', () => {
  it('are all explained, and all in the schema', () => {
    const values = parse(text('examples/helm-chart/values.yaml')) as object;
    const { properties } = JSON.parse(text('examples/helm-chart/values.schema.json')) as {
      readonly properties: Readonly<Record<string, { readonly properties?: object }>>;
    };
    for (const [name, value] of Object.entries(values)) {
      expect(Object.keys(properties)).toContain(name);
      const below = properties[name]?.properties;
      if (below !== undefined) expect(Object.keys(below).sort()).toEqual(Object.keys(value as object).sort());
    }
  });

  it('name the version of the package', () => {
    const { version, appVersion } = parse(text('examples/helm-chart/Chart.yaml')) as Record<string, string>;
    const manifest = JSON.parse(text('package.json')) as { readonly version: string };
    expect([version, appVersion]).toEqual([manifest.version, manifest.version]);
  });
});
