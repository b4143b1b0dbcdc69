import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/started-server.js';
import { recordedBinding } from '../support/recorded-servers.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

describe('offline answers', () => {
  let directory: TemporaryDirectory;
  let policy: string;
  beforeAll(() => {
    directory = temporaryDirectory();
    directory.write('binding.yaml', recordedBinding);
    policy = `--rbac-dir=${directory.path}`;
  });
  afterAll(() => {
    directory.remove();
  });

  it.each([
    [
      ['--user=prometheus'],
      0,
      /^yes - RBAC: allowed by ClusterRoleBinding "pmr" of ClusterRole "system:kcp:metrics-reader" to User "prometheus"\n$/,
    ],
    [['--user=x', '--group=a,monitoring'], 0, /to Group "monitoring"\n$/],
    [['--user=x', '--group=system:masters'], 0, /^yes - always allowed to group "system:masters"\n$/],
    [['--user=mallory'], 1, /^no\n$/],
    [[], 1, /^no\n$/],
    [['--user=prometheus', '--extra=authentication.kcp.io/scopes=cluster:other'], 1, /^no\n$/],
    [
      ['--user=x', '--extra=authorization.kcp.io/warrant={"user":"prometheus"}'],
      0,
      /to User "prometheus"\n$/,
    ],
    [['--user=prometheus', '--bootstrap-policy=false'], 1, /^no\n$/],
  ])('can-i get /metrics %j exits %i', async (args, exitCode, output) => {
    const { code, stdout, stderr } = await runCli(['can-i', 'get', '/metrics', policy, ...args]);
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: '' });
    expect(stdout).toMatch(output);
  });

  it('can-i -f answers YAML documents and Lists, one JSON line each, and leaves the rest of them as they are', async () => {
    const input = `
apiVersion: authorization.k8s.io/v1
kind: SubjectAccessReview
metadata: { name: first }
spec: { user: prometheus, nonResourceAttributes: { verb: get, path: /metrics } }
---
apiVersion: v1
kind: List
items:
  - apiVersion: authorization.k8s.io/v1
    kind: SubjectAccessReview
    spec: { user: mallory, nonResourceAttributes: { verb: get, path: /metrics } }
  - apiVersion: authorization.k8s.io/v1
    kind: SubjectAccessReview
    spec: { user: mallory, resourceAttributes: { verb: get, resource: pods } }
`;
    const { code, stdout } = await runCli(['can-i', policy, '-f', '-'], input);
    expect(code).toBe(0);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(answers[0]?.['metadata']).toEqual({ name: 'first' });
    expect(answers.map(({ status }) => status)).toEqual([
      {
        allowed: true,
        reason:
          'RBAC: allowed by ClusterRoleBinding "pmr" of ClusterRole "system:kcp:metrics-reader" to User "prometheus"',
      },
      { allowed: false },
      { allowed: false, reason: 'only nonResourceAttributes are decided here' },
    ]);
  });

  it('who-can lists everybody with what grants it', async () => {
    const { code, stdout } = await runCli(['who-can', 'get', '/metrics', policy]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^User "prometheus" +ClusterRoleBinding "pmr" of ClusterRole "system:kcp:metrics-reader" \(directory\)$/m,
    );
    expect(stdout).toMatch(/^Group "system:masters" +--authorization-always-allow-groups$/m);
    expect(stdout).toMatch(
      /^Group "system:monitoring" +ClusterRoleBinding "system:monitoring" .*\(bootstrap\)$/m,
    );
    expect((await runCli(['who-can', 'get', '/livez', policy])).stdout).toMatch(
      /^everybody +--authorization-always-allow-paths$/m,
    );
  });

  it('--help reads well at 80 columns, --version is the version', async () => {
    for (const command of [['--help'], ['start', '--help'], ['can-i', '--help'], ['who-can', '--help']]) {
      const { code, stdout } = await runCli(command);
      expect(code).toBe(0);
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    }
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
