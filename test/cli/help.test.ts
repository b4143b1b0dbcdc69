import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foreignFlagAnswer, foreignFlags } from '../../src/cli/foreign-flags.js';
import { flagName, optionsIn, textOf } from '../../src/options/option.js';
import { startTopics } from '../../src/options/start-topics.js';
import { packageVersion } from '../../src/own-package.js';
import { command, loadedCommands as commands } from '../support/command-line.js';

async function printedBy(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await command(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

const withHelp = [['--help'], ...commands.map(({ name }) => [name, '--help']), ['help', 'start']];

describe('--help', () => {
  it.each(withHelp.map((args) => ({ args })))('fits 80 columns: $args', async ({ args }) => {
    const lines = (await printedBy(...args)).split('\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it.each(commands)('of $name has each flag with its meaning and default', async ({ name, topics }) => {
    const text = (await printedBy(name, '--help')).replaceAll(/\s+/g, ' ');
    for (const option of optionsIn(topics)) {
      const { name: flag, description, default: preset } = option;
      const end = preset === undefined ? '' : ` (default ${textOf(option) || 'empty'})`;
      expect(text).toContain(`${flag} `);
      expect(text, flag).toContain(`${description}${end}`);
    }
  });

  it('of start has the flags under their headings, in order', async () => {
    const lines = (await printedBy('start', '--help')).split('\n');
    const shown = lines.flatMap(
      (line) => /^(?:(\S.*):$| {2}(?:-\w, )?(--[a-z0-9-]+))/.exec(line)?.slice(1) ?? [],
    );
    const headings = new Set(startTopics.map(({ heading }) => heading));
    const expected = [...headings].flatMap((heading) => [
      heading,
      ...optionsIn(startTopics.filter((topic) => topic.heading === heading)).map(({ name }) => name),
    ]);
    expect(shown.filter((word) => typeof word === 'string')).toEqual([...expected, 'Options', '--help']);
  });

  it('names no flag twice', () => {
    for (const { name, topics } of commands) {
      const names = optionsIn(topics).map((flag) => flag.name);
      expect(new Set(names).size, name).toBe(names.length);
    }
  });

  it('lists the commands', async () => {
    const text = await printedBy('--help');
    for (const { name, usage } of commands) {
      expect(text).toContain(`\n  ${`${name} ${usage}`.trim()}\n`);
      const shown = `${name} [options] ${usage.replace(/^\[options\] ?/, '')}`.trim();
      expect(await printedBy(name, '--help')).toMatch(`Usage: kcp-metrics-filter ${shown}\n`);
    }
  });
});

describe('--version', () => {
  it('is the version alone', async () => {
    expect(await printedBy('--version')).toBe(packageVersion);
  });
});

describe('without a command', () => {
  it('the help is printed to stderr, in its lines, with exit code 2', async () => {
    expect(await command()).toEqual({ code: 2, out: '', err: await printedBy('--help') });
  });
});

describe('flags of other programs', () => {
  it('are answered with flags of start, or with why there is none', () => {
    const known = new Set<string>(optionsIn(startTopics).map(({ key }) => key));
    expect(foreignFlags.size).toBeGreaterThan(60);
    for (const [name, { keys, note, program }] of foreignFlags) {
      expect(
        keys.filter((key) => !known.has(key)),
        name,
      ).toEqual([]);
      const flags = optionsIn(startTopics).map((option) => option.name);
      expect(flags).not.toContain(name);
      expect(foreignFlagAnswer(name)).toBe(
        `${name} of ${program} ${
          keys.length === 0
            ? 'has no counterpart here'
            : `is ${keys.map((key) => flagName(key)).join(' and ')} here`
        }${note === undefined ? '' : `; ${note}`}`,
      );
    }
  });

  it.each([
    ['--secure-listen-address=0.0.0.0:8443', 'kube-rbac-proxy is --bind-address and --secure-port here'],
    ['--insecure-port=8080', 'kube-apiserver has no counterpart here; everything is served over TLS'],
    ['--authorization-mode=RBAC', 'kube-apiserver is --authorization-order here'],
  ])('%s', async (flag, answer) => {
    const name = flag.split('=')[0] ?? '';
    expect(await command('start', flag)).toEqual({
      code: 2,
      out: '',
      err: `error: unknown option: ${name} of ${answer}`,
    });
  });

  it('and any other are one line without their value', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (name) => {
        const { code, out, err } = await command('start', `--x${name.replaceAll('=', '')}=secret-token`);
        expect({ code, out }).toEqual({ code: 2, out: '' });
        expect(err).toMatch(/^error: unknown option [^\n]*$/);
        expect(err).not.toContain('secret-token');
      }),
    );
  });
});
