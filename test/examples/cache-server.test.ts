import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { startOptions } from '../../src/options/start-topics.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, statusOf, type Started } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

const example = join(repository, 'examples/cache-server');
const read = (file: string): string => readFileSync(join(example, file), 'utf8');
const readme = exampleReadme('cache-server');
const [asShown = [], openToAll = []] = readme.transcripts;
const listening = /"url":"https:\/\/127\.0\.0\.1:(\d+)"/;

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          { readonly command: readonly string[]; readonly args: readonly string[] },
        ];
        readonly volumes: readonly unknown[];
      };
    };
  };
}

/** The arguments of ExecStart, its continued lines joined. */
function execStart(unit: string): readonly string[] {
  const joined = unit.replaceAll(/\\\n\s*/g, '');
  return /^ExecStart=(.*)$/m.exec(joined)?.[1]?.split(/\s+/) ?? [];
}

const container = (parse(read('container-args.yaml')) as Deployment).spec.template.spec.containers[0];
/** Each with what it calls the directory of its certificates. */
const commandLines = [
  {
    file: 'kcp-metrics-filter-cache-server.service',
    words: execStart(read('kcp-metrics-filter-cache-server.service')),
    certificates: '${CREDENTIALS_DIRECTORY}',
  },
  {
    file: 'container-args.yaml',
    words: [...container.command, ...container.args],
    certificates: '/etc/kcp-metrics-filter',
  },
];

describe('the cache server of the examples', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
  });
  /** Runs a script of the README, on a free port. */
  const start = (script: string): Promise<Started> => {
    const here = script
      .replaceAll('/tmp/kcp-example', directory.path)
      .replace('SECURE_PORT=6445', 'SECURE_PORT=0');
    return startCommand(here, listening);
  };

  it.each([
    { which: 'by default', words: ['SECURE_PORT=6445 \\\n  examples'], steps: asShown, count: 5 },
    { which: 'with /metrics for everybody', words: ['ALWAYS_ALLOW_PATHS'], steps: openToAll, count: 1 },
  ])('prints what its README shows, $which', async ({ words, steps, count }) => {
    const server = await start(scriptWith(readme, ...words));
    expect(steps).toHaveLength(count);
    for (const { command, output } of steps) {
      const here = command.replace('localhost:6445', `localhost:${server.found}`);
      expect(await outputOf(here, credentials), command).toBe(output);
    }
  });

  it('allows nobody anything with ALWAYS_ALLOW_PATHS set to nothing', async () => {
    const script = scriptWith(readme, 'ALWAYS_ALLOW_PATHS');
    const server = await start(script.replace(/(ALWAYS_ALLOW_PATHS)=\S+/, '$1='));
    const url = `https://localhost:${server.found}`;
    expect(await statusOf(`${url}/readyz`, credentials)).toBe(403);
    expect(await statusOf(`${url}/readyz`, credentials, 'admin')).toBe(200);
  });

  it.each(['start-cache-server.sh', 'README.md', ...commandLines.map(({ file }) => file)])(
    '%s names only flags that exist',
    (file) => {
      const known: readonly string[] = startOptions.map(({ name }) => name);
      // A flag of another program stands behind its name on the same line.
      const lines = read(file)
        .split('\n')
        .filter((line) => !/\bcurl |\bnpm |\bsystemctl /.test(line));
      const named = lines.flatMap((line) => line.match(/--[a-z][a-z-]+/g) ?? []);
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter((flag) => !known.includes(flag))).toEqual([]);
    },
  );

  it.each(commandLines)('$file starts a cache server by its flags', async ({ words, certificates }) => {
    const [command = '', subcommand, ...flags] = words.map((word) =>
      word.replaceAll(certificates, credentials),
    );
    expect(command).toMatch(/(^|\/)kcp-metrics-filter$/);
    expect(subcommand).toBe('start');
    const elsewhere = flags.filter((flag) => !/^--(bind-address|secure-port)=/.test(flag));
    expect(flags).toHaveLength(elsewhere.length + 2);
    const server = await startCli(elsewhere);
    onTestFinished(async () => {
      expect(await server.stop()).toBe(0);
    });
    expect(await statusOf(`https://localhost:${server.port}/metrics`, credentials, 'admin')).toBe(200);
    expect(await statusOf(`https://localhost:${server.port}/metrics`, credentials, 'mallory')).toBe(403);
    expect(await statusOf(`https://localhost:${server.port}/livez`, credentials)).toBe(200);
  });

  it('the unit asks for every credential that it names', () => {
    const unit = read('kcp-metrics-filter-cache-server.service');
    const named = [...unit.matchAll(/\$\{CREDENTIALS_DIRECTORY\}\/(\S+)/g)].map(([, name]) => name);
    const loaded = [...unit.matchAll(/^LoadCredential=([^:]+):/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(loaded.sort());
  });

  it.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)('systemd accepts the unit', () => {
    const unit = read('kcp-metrics-filter-cache-server.service');
    // It looks whether the executable is there.
    const file = directory.write(
      'kcp-metrics-filter-cache-server.service',
      unit.replace('/usr/local/bin/kcp-metrics-filter', process.execPath),
    );
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    expect(stderr).not.toContain('kcp-metrics-filter');
    expect(status).toBe(0);
  });
});
