import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startOptions } from '../../src/options/start-topics.js';
import { valueOf } from '../../src/options/option.js';
import { RootServer } from '../support/root-server.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, repository, statusOf } from './commands.js';
import { startShop } from './kubernetes-sidecar.js';

const name = 'kcp-metrics-filter.service';
const unit = readFileSync(join(repository, 'examples/systemd', name), 'utf8');
const settings = unit
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .flatMap((line) => {
    const [, key, value = ''] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? [];
    return key === undefined ? [] : [{ key, value }];
  });
const valuesOf = (key: string): readonly string[] =>
  settings.flatMap((setting) => (setting.key === key ? [setting.value] : []));
const words = valuesOf('ExecStart')[0]?.split(/\s+/) ?? [];

/** In tenths, as systemd-analyze takes it. */
const highestExposure = 20;

describe('the systemd unit of the examples', () => {
  const directory = temporaryDirectory();

  it.each([
    ['DynamicUser', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['NoNewPrivileges', 'yes'],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['PrivateTmp', 'yes'],
    ['SystemCallFilter', '@system-service'],
    ['RestrictAddressFamilies', 'AF_INET AF_INET6 AF_UNIX'],
    ['Restart', 'on-failure'],
    ['RestartPreventExitStatus', '2'],
    ['StartLimitIntervalSec', '0'],
    // V8 could not run.
    ['MemoryDenyWriteExecute', 'no'],
  ])('has %s=%s', (key, value) => {
    expect(valuesOf(key)).toContain(value);
  });

  it('waits longer for the end than the server does', () => {
    const seconds = ['--shutdown-delay-duration', '--shutdown-timeout'].map((flag) => {
      const given = words.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1);
      const option = startOptions.find(({ name }) => name === flag);
      return Number(option && valueOf(option, { [option.key]: given })) / 1000;
    });
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(seconds.reduce((a, b) => a + b));
  });

  it('asks for every credential that it names, and has every folder', () => {
    const named = [...unit.matchAll(/\$\{CREDENTIALS_DIRECTORY\}\/(\S+)/g)].map(([, file]) => file);
    expect(named.sort()).toEqual(
      valuesOf('LoadCredential')
        .map((value) => value.split(':')[0])
        .sort(),
    );
    expect(unit).toContain('${STATE_DIRECTORY}/');
    expect(unit).toContain('${LOGS_DIRECTORY}/');
    expect([valuesOf('StateDirectory'), valuesOf('LogsDirectory')]).toEqual([
      ['kcp-metrics-filter'],
      ['kcp-metrics-filter'],
    ]);
  });

  it('starts a filter that guards, and keeps what it should where it may', async () => {
    const credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    const [shop, root] = await Promise.all([startShop(), RootServer.start()]);
    cpSync(root.kubeconfig, join(credentials, 'root.kubeconfig'));
    cpSync(join(credentials, 'ca.crt'), join(credentials, 'client-ca.crt'));
    for (const folder of ['state', 'logs']) mkdirSync(join(directory.path, folder));
    const [command, subcommand, ...flags] = words.map((word) =>
      word
        .replace('${CREDENTIALS_DIRECTORY}', credentials)
        .replace('/etc/kcp-metrics-filter', credentials)
        .replace('${STATE_DIRECTORY}', join(directory.path, 'state'))
        .replace('${LOGS_DIRECTORY}', join(directory.path, 'logs'))
        .replace('127.0.0.1:8080', `127.0.0.1:${shop.port}`),
    );
    expect([command, subcommand]).toEqual(['/usr/local/bin/kcp-metrics-filter', 'start']);
    const server = await startCli(flags.filter((flag) => !/^--(?:bind-address|secure-port)=/.test(flag)));
    const url = `https://localhost:${server.port}`;
    await expect.poll(() => statusOf(`${url}/readyz`, credentials), { timeout: 10_000 }).toBe(200);
    expect(await statusOf(`${url}/metrics`, credentials, 'admin')).toBe(200);
    expect(await statusOf(`${url}/metrics`, credentials, 'mallory')).toBe(403);
    expect(await statusOf(`${url}/metrics`, credentials)).toBe(401);
    expect(await server.stop()).toBe(0);
    const log = join(directory.path, 'logs/audit.log');
    expect(readFileSync(log, 'utf8').trim().split('\n').length).toBeGreaterThanOrEqual(3);
    expect(statSync(log).mode & 0o077).toBe(0);
    expect(existsSync(join(directory.path, 'state/policy.snapshot'))).toBe(true);
  });

  describe.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)('before systemd itself', () => {
    const analyze = (text: string, ...args: readonly string[]) => {
      // It looks whether the executable is there.
      const file = directory.write(name, text.replace('/usr/local/bin/kcp-metrics-filter', process.execPath));
      return spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' });
    };
    const security = ['security', '--offline=true', '--no-pager', `--threshold=${highestExposure}`];

    it('is accepted', () => {
      const { status, stderr } = analyze(unit, 'verify');
      expect(stderr).not.toContain('kcp-metrics-filter');
      expect(status).toBe(0);
    });

    it('is exposed no more than the threshold', () => {
      expect(analyze(unit, ...security).status).toBe(0);
    });

    it('would be refused without its walls', () => {
      const bare = unit.replaceAll(
        /^(?:Protect|Private|Restrict[A-Z]|System|Capability|NoNew|Dynamic).*\n/gm,
        '',
      );
      expect(analyze(bare, ...security).status).not.toBe(0);
      expect(analyze(unit.replace('PrivateTmp=yes', 'PrivateTmp=perhaps'), 'verify').stderr).toContain(name);
    });
  });
});
