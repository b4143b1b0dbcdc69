import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli, runProcess, startCli } from '../support/started-server.js';
import { recordedBinding } from '../support/recorded-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

describe('offline answers', () => {
  const directory = temporaryDirectory();
  directory.write('binding.yaml', recordedBinding);
  const policy = `--rbac-dir=${directory.path}`;

  it.each([
    [
      '--user=prometheus',
      0,
      /^yes - RBAC: allowed by ClusterRoleBinding "pmr" of ClusterRole "system:kcp:metrics-reader" to User "prometheus"\n$/,
    ],
    ['--user=x --group=a,monitoring', 0, /to Group "monitoring"\n$/],
    ['--user=x --group=system:masters', 0, /^yes - always allowed to group "system:masters"\n$/],
    [
      '--user=mallory',
      1,
      /^no - RBAC: no ClusterRoleBinding names User "mallory"; what is bound to everyone does not grant it\n$/,
    ],
    [
      '',
      1,
      /^no - RBAC: no ClusterRoleBinding names User "system:anonymous"; what is bound to everyone does/,
    ],
    [
      '--user=prometheus --extra=authentication.kcp.io/scopes=cluster:other',
      1,
      /^no - RBAC: no ClusterRoleBinding names User "system:anonymous", Group "system:cluster:other"; what/,
    ],
    ['--user=x --extra=authorization.kcp.io/warrant={"user":"prometheus"}', 0, /to User "prometheus"\n$/],
    ['--user=x --group=', 1, /^no - RBAC: no ClusterRoleBinding names User "x";/],
    [
      '--user=x --group=system:masters --authorization-always-allow-groups=',
      0,
      /^yes - RBAC: .* to Group "system:masters"\n$/,
    ],
    [
      '--user=x --group=a,,b --authorization-always-allow-groups=',
      1,
      /names User "x", Group "a", Group "b";/,
    ],
    ['--user=x --group=, --authorization-always-allow-groups=,', 1, /^no - RBAC: .* names User "x";/],
    [
      '--user=x --group=team --authorization-always-allow-groups= --authorization-always-allow-groups=team',
      0,
      /^yes - always allowed to group "team"\n$/,
    ],
  ])('can-i get /metrics %s exits %i', async (flags, exitCode, output) => {
    const { code, stdout, stderr } = await runCli(['can-i', 'get', '/metrics', policy, ...words(flags)]);
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: '' });
    expect(stdout).toMatch(output);
  });

  it('--authorization-always-allow-paths= allows no path, left out it allows health', async () => {
    const livez = ['can-i', 'get', '/livez', '--bootstrap-policy=false'];
    expect((await runCli(livez)).stdout).toBe('yes - always allowed path\n');
    expect(await runCli([...livez, '--authorization-always-allow-paths='])).toMatchObject({
      code: 1,
      stdout: 'no - RBAC: no ClusterRoleBinding names User "system:anonymous"\n',
    });
  });

  it.each([
    ['can-i', 'no - RBAC: no ClusterRoleBinding names User "system:anonymous"\n'],
    ['who-can', /^Group "system:masters" [^\n]*\n$/],
  ])('%s warns on stderr of what grants nothing', async (command, output) => {
    const doubtful = temporaryDirectory();
    const file = doubtful.write(
      'binding.yaml',
      recordedBinding.replace('subjects:', 'subjects:\n  - { kind: User, name: scraper, group: monitoring }'),
    );
    const args = [command, 'get', '/metrics', `--rbac-dir=${doubtful.path}`, '--bootstrap-policy=false'];
    const { stdout, stderr } = await runCli(args);
    const { stderr: fault } = await runCli([...args, '--authorization-order=ABAC']);
    expect(stdout).toMatch(output);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(`^${file}:\\d+: "group" is not a known field and is ignored$`),
      expect.stringMatching(
        `^${file}:\\d+: ClusterRoleBinding "pmr" names ClusterRole "system:kcp:metrics-reader", which does not exist: it grants nothing$`,
      ),
      '',
    ]);
    expect(fault).toMatch(/^--authorization-order: [^\n]*\n$/);
  });

  it.each([['can-i'], ['who-can'], ['doctor']])(
    "%s calls none of the roles missing that root's bindings of a running kcp name",
    async (command) => {
      const recorded = temporaryDirectory();
      for (const file of ['root-clusterroles.json', 'root-clusterrolebindings.json']) {
        recorded.write(
          file,
          readFileSync(new URL(`../policy/sources/data/${file}`, import.meta.url), 'utf8'),
        );
      }
      const question = command === 'doctor' ? ['--mode=shard'] : ['get', '/metrics'];
      const { stdout, stderr } = await runCli([command, ...question, `--rbac-dir=${recorded.path}`]);
      expect(stderr).toBe('');
      expect(stdout).not.toContain('missing');
      expect(stdout).not.toBe('');
    },
  );

  it.each([['small'], ['large']])(
    'a %s manifest that an API server would refuse ends with its line',
    async (size) => {
      const refused = temporaryDirectory();
      const padding = size === 'large' ? `# ${'x'.repeat(10_000)}\n` : '#\n';
      const file = refused.write(
        'binding.yaml',
        `${padding}apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: scrapers }
roleRef: { kind: ClusterRole, name: "system:kcp:metrics-reader" }
subjects:
  - { kind: User, name: prometheus }
  - { kind: Group, apiGroup: example.com, name: monitoring }
`,
      );
      const args = ['can-i', 'get', '/metrics', '--user=prometheus', `--rbac-dir=${refused.path}`];
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stdout, stderr }).toEqual({
        code: 2,
        stdout: '',
        stderr: `--rbac-dir: ${file}:8: subjects[1].apiGroup must be rbac.authorization.k8s.io, not "example.com"\n`,
      });
    },
  );

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
    const { code, stdout } = await runProcess(['can-i', policy, '-f', '-'], input);
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
      { allowed: false, reason: 'only nonResourceAttributes are supported' },
    ]);
  });

  it.each([
    ['/METRICS', 'the server answers 404: looks like a shard-level path'],
    ['/metrics;v=1', 'the server answers 404: looks like a shard-level path'],
    [
      '/clusters/root:org/metrics',
      'the server answers 501: shard-level endpoint not available at workspace scope',
    ],
    ['/clusters/root/version', 'the server answers 403: scoped path'],
    ['/clusters/A/metrics', 'the server answers 400: invalid cluster: "A" does not match the regex'],
    ['//metrics', 'the server answers 307: path is not canonical'],
    ['/x/../metrics', 'the server answers 307: path is not canonical'],
    ['/x%252f..%252fversion', 'the server answers 400: path is not canonical'],
    ['/%zz', 'the server answers 400: invalid request target: "/%zz"'],
  ])('nobody may %s, whatever the policy says', async (path, reason) => {
    const masters = ['--user=x', '--group=system:masters'];
    expect(await runCli(['can-i', 'get', path, policy, ...masters])).toMatchObject({
      code: 1,
      stdout: `no - ${reason}\n`,
      stderr: '',
    });
    expect(await runCli(['who-can', 'get', path, policy])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `${JSON.stringify(path)}: ${reason}\n`,
    });
  });

  it.each([
    ['shard', '/metrics?a=b', 0],
    ['shard', '/%6detrics', 0],
    ['shard', '/clusters/root/healthz', 0],
    ['cache-server', '/shards/a/clusters/b/metrics', 1],
    ['cache-server', '/debug/state', 1],
    ['cache-server', '/shards/-a/clusters//healthz', 0],
    ['cache-server', '/statusz', 0],
  ])('of a %s, can-i get %s exits %i', async (mode, path, exitCode) => {
    const { code } = await runCli([
      'can-i',
      'get',
      path,
      `--mode=${mode}`,
      '--user=x',
      '--group=system:masters',
    ]);
    expect(code).toBe(exitCode);
  });

  it('of a path of resources, no rule on non-resource URLs says yes', async () => {
    const who = ['--user=x', '--group=system:kcp:admin'];
    expect((await runCli(['can-i', 'get', '/api/v1', ...who])).code).toBe(0);
    expect(await runCli(['can-i', 'get', '/api/v1/pods', ...who])).toMatchObject({
      code: 1,
      stdout: 'no - a path of resources, which no rule on non-resource URLs grants\n',
    });
    expect((await runCli(['who-can', 'get', '/api/v1/pods'])).stdout).toMatch(
      /^Group "system:masters" +--authorization-always-allow-groups\n$/,
    );
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

  it.each<[flags: string[], rows: string[]]>([
    [[], ['Group "system:masters"', 'everybody', 'User "prometheus"', 'Group "monitoring"']],
    [['--authorization-order=RBAC'], ['User "prometheus"', 'Group "monitoring"']],
    [
      ['--authorization-order=RBAC,AlwaysAllowGroups'],
      ['User "prometheus"', 'Group "monitoring"', 'Group "system:masters"'],
    ],
    [['--authorization-order=AlwaysAllowPaths'], ['everybody']],
    [['--authorization-order=AlwaysAllowGroups', '--authorization-always-allow-groups='], []],
  ])('who-can %j lists what the authorizers in the order grant', async (flags, rows) => {
    const { code, stdout } = await runCli([
      ...['who-can', 'get', '/metrics', policy, '--authorization-always-allow-paths=/metrics'],
      ...flags,
    ]);
    expect(code).toBe(0);
    const listed = stdout
      .split('\n')
      .filter((line) => line !== '' && !line.includes('(bootstrap)'))
      .map((line) => line.split(/ {2,}/)[0]);
    expect(listed).toEqual(rows);
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

describe('start without any method to authenticate by', () => {
  it.each([
    ['true', 'every client is anonymous'],
    ['false', 'only always-allowed paths are served'],
  ])('and --anonymous-auth=%s logs that %s', async (anonymous, consequence) => {
    const server = await startCli(['--mode=shard', `--anonymous-auth=${anonymous}`]);
    await server.stop();
    expect(server.log()).toContain(`no authentication is configured: ${consequence}"`);
  });
});

describe('can-i says why not', () => {
  const directory = temporaryDirectory();
  beforeAll(() => {
    const group = 'rbac.authorization.k8s.io';
    const apiVersion = `${group}/v1`;
    const binding = (name: string, role: string, user: string): object => ({
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: group, kind: 'User', name: user }],
    });
    const role = (name: string, nonResourceURLs: readonly string[], verbs: readonly string[]): object => ({
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name },
      rules: [
        nonResourceURLs.length === 0
          ? { apiGroups: [''], resources: ['pods'], verbs }
          : { nonResourceURLs, verbs },
      ],
    });
    const objects = [
      binding('gone', 'nowhere', 'gone'),
      role('poster', ['/metrics*'], ['post', 'put']),
      binding('poster', 'poster', 'poster'),
      role('pods', [], ['get']),
      binding('pods', 'pods', 'pods'),
      role('others', ['/a', '/b', '/c', '/d', '/e'], ['get']),
      binding('others', 'others', 'others'),
      ...Array.from({ length: 9 }, (_, at) => binding(`many-${at}`, 'others', 'many')),
    ];
    directory.write('policy.yaml', objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  });

  const by = (name: string): string => `ClusterRoleBinding "${name}" binds User "${name}" to ClusterRole`;
  it.each([
    [['get', '/metrics', '--user=gone'], `no - RBAC: ${by('gone')} "nowhere", which does not exist`],
    [
      ['get', '/metrics', '--user=poster'],
      `no - RBAC: ${by('poster')} "poster", which grants "/metrics" for post, put but not get`,
    ],
    [['get', '/metrics', '--user=pods'], `no - RBAC: ${by('pods')} "pods", which grants no paths`],
    [
      ['get', '/metrics', '--user=others'],
      `no - RBAC: ${by('others')} "others", which grants only "/a", "/b", "/c" and 2 more`,
    ],
    [
      ['get', '/metrics', '--user=a', '--authorization-order=AlwaysAllowGroups'],
      'no - RBAC is not in --authorization-order',
    ],
  ])('%j', async (args, answer) => {
    const { code, stdout } = await runCli(['can-i', ...args, `--rbac-dir=${directory.path}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${answer}\n` });
  });

  it('in few words, however many bindings and groups there are', async () => {
    const policy = `--rbac-dir=${directory.path}`;
    const many = await runCli(['can-i', 'get', '/metrics', '--user=many', policy]);
    expect(many.stdout).toMatch(/"many-2" [^;]*; 6 more bindings do not grant it either\n$/);
    const groups = Array.from({ length: 99 }, (_, at) => `g${at}`).join(',');
    const grouped = await runCli(['can-i', 'get', '/metrics', '--user=a', `--group=${groups}`, policy]);
    expect(grouped.stdout).toMatch(/Group "g8" and 90 more; what is bound to everyone does not grant it\n$/);
  });

  it.each([
    ['GET', '/metrics', 'verb "GET" never matches: it is no method of a request, which is get in RBAC'],
    ['list', '/metrics', 'verb "list" never matches: it is no method of a request: they are get, head, post'],
    ['get', '/metrics?a=b', 'path "/metrics?a=b": the query is no part of what is authorized'],
  ])('and that %s %s can never match', async (verb, path, warning) => {
    const args = ['can-i', verb, path, '--user=nobody', '--bootstrap-policy=false'];
    const { code, stderr } = await runCli(args);
    expect(code).toBe(1);
    expect(stderr).toContain(warning);
    expect(stderr.trimEnd()).not.toContain('\n');
    const { stderr: ofWho } = await runCli(['who-can', verb, path]);
    expect(ofWho).toContain(warning);
  });

  it.each([
    [
      'post',
      '/push',
      'writers',
      'yes - RBAC: allowed by ClusterRoleBinding "writers" of ClusterRole "writer" to Group "writers"',
    ],
    ['get', '/push', 'writers', 'which grants "/push" for post but not get'],
    ['post', '/api/v1/push', 'writers', 'yes - RBAC: allowed by ClusterRoleBinding "writers"'],
    [
      'get',
      '/api/v1/query',
      'readers',
      'no - RBAC: ClusterRoleBinding "readers" binds Group "readers" to ClusterRole "reader", which grants only "/api/*"',
    ],
    ['get', '/api/v1/query', 'system:masters', 'yes - always allowed to group "system:masters"'],
    ['post', '/clusters/root:org/push', 'writers', 'no - the server answers 501'],
    ['post', '/loki/push', 'strangers', 'no - RBAC: no ClusterRoleBinding names User "x", Group "strangers"'],
  ])('of a path of the gateway: %s %s by %s', async (verb, path, group, said) => {
    const rules = (name: string, urls: string, verbs: string) =>
      `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: ${name}}, rules: [{nonResourceURLs: [${urls}], verbs: [${verbs}]}]}`;
    const bound = (name: string) =>
      `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: ${name}s}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${name}}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ${name}s}]}`;
    const rbac = temporaryDirectory();
    rbac.write(
      'policy.yaml',
      [
        rules('writer', '/push, /api/v1/push', 'post'),
        bound('writer'),
        rules('reader', "'/api/*'", 'get'),
        bound('reader'),
      ].join('\n---\n'),
    );
    const flags = [
      `--rbac-dir=${rbac.path}`,
      '--bootstrap-policy=false',
      '--gateway-path=/push=http://127.0.0.1:1',
      '--gateway-path=/api/v1/push=http://127.0.0.1:1,/api/v1/query=http://127.0.0.1:1',
      '--gateway-path=/loki/*=http://127.0.0.1:1',
    ];
    const { stdout, stderr } = await runCli(['can-i', verb, path, '--user=x', `--group=${group}`, ...flags]);
    const who = await runCli(['who-can', verb, path, ...flags]);
    expect(stdout).toContain(said);
    expect(stderr).toBe('');
    const isGranted = said.startsWith('yes');
    expect(who.stdout.includes(`Group "${group}"`)).toBe(isGranted);
  });

  it('who-can of a path of resources', async () => {
    const { stderr } = await runCli(['who-can', 'get', '/api/v1/pods']);
    expect(stderr).toBe('path "/api/v1/pods" is one of resources, which no rule on paths grants\n');
  });
});
