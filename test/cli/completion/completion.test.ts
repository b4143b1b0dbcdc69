import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { optionsIn } from '../../../src/options/option.js';
import { startOptions } from '../../../src/options/start-topics.js';
import { command, loadedCommands as commands } from '../../support/command-line.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

const program = 'kcp-metrics-filter';

async function scriptFor(shell: string): Promise<string> {
  const { code, out, err } = await command('completion', shell);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;
const flagsOf = (name: string): readonly string[] => [
  ...optionsIn(commands.find((candidate) => candidate.name === name)?.topics ?? []).map((flag) => flag.name),
  '--help',
];

describe('completion in bash', () => {
  const directory = temporaryDirectory();
  let script: string;
  beforeAll(async () => {
    script = directory.write('completion.bash', await scriptFor('bash'));
    directory.write('tls.crt', '');
    directory.write('tls $(touch ran) key', '');
    mkdirSync(join(directory.path, 'rbac'));
  });

  /** The last word is the one that is completed; = is a word of its own, as bash has it. */
  function completed(...words: readonly string[]): readonly string[] {
    const ask =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kcp_metrics_filter; printf "%s\\n" "${COMPREPLY[@]}"';
    const output = execFileSync('bash', ['--norc', '-uc', ask, 'bash', script, program, ...words], {
      cwd: directory.path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return output
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  }

  it.each([
    { words: [''], expected: commands.map(({ name }) => name) },
    { words: ['st'], expected: ['start'] },
    { words: ['--v'], expected: ['--version'] },
    { words: ['start', '--mode', ''], expected: ['shard', 'cache-server'] },
    { words: ['start', '--mode', 's'], expected: ['shard'] },
    { words: ['start', '--mode', '='], expected: ['shard', 'cache-server'] },
    { words: ['start', '--mode', '=', 'c'], expected: ['cache-server'] },
    { words: ['start', '--anonymous-auth', '=', ''], expected: ['true', 'false'] },
    { words: ['start', '--bootstrap-policy', 'l'], expected: ['live'] },
    { words: ['start', '--tls-cert-file', 't'], expected: ['tls.crt', 'tls $(touch ran) key'] },
    { words: ['start', '--tls-cert-file', '=', 'tls.'], expected: ['tls.crt'] },
    { words: ['start', '--rbac-dir', ''], expected: ['rbac'] },
    { words: ['start', '--bind-address', ''], expected: [] },
    { words: ['start', '--authorization-order', 'RBAC,W'], expected: ['RBAC,Webhook'] },
    { words: ['start', '--service-account-key-file', 'a,tls.'], expected: ['a,tls.crt'] },
    { words: ['start', '--mode', 'shard', '--tls-cert'], expected: ['--tls-cert-file'] },
    { words: ['doctor', '-o', ''], expected: ['json', 'table'] },
    { words: ['doctor', '--config', 'tls.'], expected: ['tls.crt'] },
    { words: ['can-i', '-f', 'tls.'], expected: ['tls.crt'] },
    { words: ['completion', ''], expected: ['bash', 'zsh', 'fish'] },
    { words: ['no-such-command', ''], expected: [] },
  ])('of $words is $expected', ({ words, expected }) => {
    expect(completed(...words)).toEqual([...expected].sort());
  });

  it.each(commands)('has every flag of $name', ({ name }) => {
    expect(completed(name, '-')).toEqual([...flagsOf(name)].sort());
  });

  it('runs nothing of what it finds', () => {
    completed('start', '--tls-cert-file', '');
    expect(completed('start', '--tls-cert-file', 'ran')).toEqual([]);
  });
});

describe('completion', () => {
  it('knows which flags name files, by their names', () => {
    const named = startOptions.filter(({ name }) => /-(?:file|kubeconfig|path|snapshot)$/.test(name));
    const files = startOptions.filter(({ kind }) => kind === 'file').map(({ key }) => key);
    expect(named.length).toBeGreaterThan(10);
    // Those that take a path of a URL.
    const ofUrls = ['upstreamPath', 'gatewayPath'];
    const expected = named.map(({ key }) => key).filter((key) => !ofUrls.includes(key));
    expect(files).toEqual(expect.arrayContaining(expected));
  });

  it('is refused for a shell that it does not know, in one line', async () => {
    expect(await command('completion', 'csh')).toEqual({
      code: 2,
      out: '',
      err: 'completion: "csh" is not one of bash, zsh, fish',
    });
  });

  it.each(['bash', 'zsh', 'fish'])('names each command and flag to %s', async (shell) => {
    const script = await scriptFor(shell);
    for (const { name, topics } of commands) {
      expect(script).toContain(name);
      for (const flag of optionsIn(topics))
        expect(script).toContain(shell === 'fish' ? `-l ${flag.name.slice(2)} ` : flag.name);
    }
  });
});

// Neither is needed to build or to run this.
describe.skipIf(!has('zsh'))('completion in zsh', () => {
  it('is a script that zsh reads, and registers itself', async () => {
    const directory = temporaryDirectory();
    const script = directory.write('completion.zsh', await scriptFor('zsh'));
    const ask = 'autoload -U compinit; compinit -D -u; source $1; print $_comps[$2]; whence -w $_comps[$2]';
    const lines = execFileSync('zsh', ['-fc', ask, 'zsh', script, program], { encoding: 'utf8' });
    expect(lines).toBe('_kcp_metrics_filter\n_kcp_metrics_filter: function\n');
  });
});

describe.skipIf(!has('fish'))('completion in fish', () => {
  it.each([
    ['st', ['start']],
    ['start --mo', ['--mode']],
    ['start --mode ', ['cache-server', 'shard']],
    ['start --log-level=e', ['--log-level=error']],
    ['completion z', ['zsh']],
  ])('of "%s" is %j', async (line, expected) => {
    const directory = temporaryDirectory();
    const script = directory.write('completion.fish', await scriptFor('fish'));
    const ask = `source ${script}; complete -C '${program} ${line}'`;
    const output = execFileSync('fish', ['--no-config', '-c', ask], { encoding: 'utf8' });
    const words = output
      .split('\n')
      .filter((word) => word !== '')
      .map((word) => word.split('\t')[0]);
    expect(words.sort()).toEqual(expected);
  });
});
