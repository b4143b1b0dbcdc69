import { Command } from 'commander';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { describeCompletion } from '../../src/cli/completion/completion-description.js';
import { addOptions } from '../../src/options/command-line.js';
import { checkedOptions, parseConfiguration } from '../../src/options/configuration-file.js';
import { configurationSchema } from '../../src/options/configuration.js';
import {
  excludes,
  needs,
  only,
  optionsIn,
  othersNeed,
  together,
  topic,
  type GivenOptions,
  type OptionsOf,
} from '../../src/options/option.js';
import { boolean, choice, choices, count, duration, file, files } from '../../src/options/option-kinds.js';
import { directory, list, names, pairs, parsed, port, text } from '../../src/options/option-kinds.js';
import { flagsInForce } from '../../src/options/start-topics.js';
import { UsageError } from '../../src/options/usage-error.js';
import { flagRows } from '../documentation/flag-table.mjs';

/** All that is written for two options: their topic, and this test of it. */
const example = topic('Examples', {
  scrapeJitter: duration('5s', { max: '1m' }).help('how long a scrape may be put off'),
  peerTokenFile: file({ followed: true, secret: true }).help('file with the token of a peer'),
});
const topics = [example] as const;

describe('an option that is declared', () => {
  const [jitter, token] = optionsIn(topics);

  it('is a flag with its help', async () => {
    const lines: string[] = [];
    const command = addOptions(new Command('x').exitOverride(), topics)
      .configureOutput({ writeOut: (line) => lines.push(line) })
      .configureHelp({ helpWidth: 200 });
    await expect(command.parseAsync(['--help'], { from: 'user' })).rejects.toThrow();
    const help = lines.join('').replaceAll(/\s+/g, ' ');
    expect(help).toContain(
      'Examples: --scrape-jitter <duration> how long a scrape may be put off (default 5s)',
    );
    expect(help).toContain('--peer-token-file <file> file with the token of a peer');
    const given = command.parse(['--scrape-jitter=7s'], { from: 'user' }).opts<GivenOptions>();
    expect(example.read(given)).toEqual({ scrapeJitter: 7000, peerTokenFile: undefined });
  });

  it('is a field of the configuration file and of its schema, a file relative to it', () => {
    const schema = configurationSchema(topics) as { properties: Record<string, unknown> };
    expect(schema.properties['scrapeJitter']).toMatchObject({ type: 'string', default: '5s' });
    expect(schema.properties['peerTokenFile']).toMatchObject({
      description: "file with the token of a peer; a relative path is resolved against this file's directory",
    });
    const head = 'apiVersion: kcp-metrics-filter/v1alpha1\nkind: MetricsFilterConfiguration\n';
    const fields = parseConfiguration(
      Buffer.from(`${head}scrapeJitter: 1s\npeerTokenFile: token`),
      '/etc/config.yaml',
      topics,
    );
    expect([...fields].map(([key, { value }]) => [key, value])).toEqual([
      ['scrapeJitter', '1s'],
      ['peerTokenFile', '/etc/token'],
    ]);
  });

  it('is completed, documented, shown by /flagz and looked at by doctor', async () => {
    const load = () => Promise.resolve({ topics, run: () => Promise.resolve(0) });
    const [completed] = await describeCompletion([{ name: 'x', usage: '', description: '', load }]);
    expect(completed?.flags.map(({ name, value }) => `${name} ${value.kind}`)).toEqual([
      '--scrape-jitter text',
      '--peer-token-file file',
    ]);
    expect(flagRows(topics)).toEqual([
      '| **Examples** | | |',
      '| `--scrape-jitter` | `5s` | how long a scrape may be put off |',
      '| `--peer-token-file` |  | file with the token of a peer |',
    ]);
    expect(flagsInForce({ peerTokenFile: '/token' }, optionsIn(topics))).toEqual([
      { name: 'scrape-jitter', value: '5s' },
      { name: 'peer-token-file', value: '/token' },
    ]);
    expect([jitter?.file, token?.file]).toEqual([undefined, { followed: true, secret: true }]);
  });

  it('is an option of a program, typed and checked', () => {
    type Options = OptionsOf<typeof topics>;
    expectTypeOf<Options>().toEqualTypeOf<{
      readonly scrapeJitter?: string;
      readonly peerTokenFile?: string;
    }>();
    expectTypeOf(example.read({})).toEqualTypeOf<{
      readonly scrapeJitter: number;
      readonly peerTokenFile: string | undefined;
    }>();
    expect(checkedOptions({ scrapeJitter: '1s', peerTokenFile: undefined }, topics)).toEqual({
      scrapeJitter: '1s',
    });
    expect(() => checkedOptions({ scrapeJiter: '1s' }, topics)).toThrow(
      'scrapeJiter: unknown option; did you mean scrapeJitter?',
    );
    expect(() => checkedOptions({ scrapeJitter: 5 }, topics)).toThrow(/^scrapeJitter: must be a duration/);
  });
});

describe('the kinds of options', () => {
  const kinds = topic('Kinds', {
    aBoolean: boolean(true).help(''),
    aWord: boolean(false, 'live').help(''),
    aCount: count(5, { min: 1, max: 10 }).help(''),
    aPort: port(80).help(''),
    aDuration: duration().help(''),
    aText: text('text').help(''),
    aChoice: choice('word', ['a', 'b'], 'a').help(''),
    aFile: file().help(''),
    aDirectory: directory().help(''),
    aList: list('values').help(''),
    aDefaultList: list('values', ['x', 'y']).help(''),
    someNames: names('names').help(''),
    someChoices: choices('words', ['a', 'b'], ['b']).help(''),
    someFiles: files().help(''),
    somePairs: pairs('key=value', /^([^=]+)=(.*)$/s).help(''),
    aLength: parsed(text('text', 'abc'), ({ length }) => length).help(''),
  });

  it('have values where nothing is given', () => {
    expect(kinds.read({})).toEqual({
      aBoolean: true,
      aWord: false,
      aCount: 5,
      aPort: 80,
      aDuration: undefined,
      aText: undefined,
      aChoice: 'a',
      aFile: undefined,
      aDirectory: undefined,
      aList: [],
      aDefaultList: ['x', 'y'],
      someNames: [],
      someChoices: ['b'],
      someFiles: [],
      somePairs: {},
      aLength: 3,
    });
  });

  it.each<[GivenOptions, unknown]>([
    [{ aBoolean: 'false' }, false],
    [{ aBoolean: false }, false],
    [{ aWord: 'live' }, 'live'],
    [{ aCount: '10' }, 10],
    [{ aCount: 1 }, 1],
    [{ aPort: 0 }, 0],
    [{ aDuration: '1h30m0.5s2ms' }, 5_400_502],
    [{ someNames: [' a ', '', 'b'] }, ['a', 'b']],
    [{ someChoices: [] }, []],
    [{ somePairs: ['a=b', 'c=d=e'] }, { a: 'b', c: 'd=e' }],
    [{ aLength: 'four' }, 4],
  ])('read %j as %j, as text and typed', (given, value) => {
    const [key = ''] = Object.keys(given);
    expect((kinds.read(given) as Record<string, unknown>)[key]).toEqual(value);
  });

  it.each<[GivenOptions, string]>([
    [{ aBoolean: 'yes' }, '--a-boolean: "yes" is not true or false'],
    [{ aWord: 'dead' }, '--a-word: "dead" is not true, false or live'],
    [{ aCount: 0 }, '--a-count: "0" is not a number from 1 to 10'],
    [{ aCount: '' }, '--a-count: "" is not a number from 1 to 10'],
    [{ aPort: 65_536 }, '--a-port: "65536" is not a port (0 to 65535; 0 takes a free one)'],
    [{ aDuration: '5' }, '--a-duration: "5" is not a duration such as 30s, 10m or 1h30m'],
    [{ aChoice: 'c' }, '--a-choice: "c" is not one of a, b'],
    [{ aFile: ' ' }, '--a-file: must name a file'],
    [{ aDirectory: '' }, '--a-directory: must name a directory'],
    [{ someNames: [' '] }, '--some-names: is empty; leave it out, or list at least one name'],
    [{ someChoices: ['a', 'c'] }, '--some-choices: "c" is not one of a, b'],
    [{ someFiles: ['a', ''] }, '--some-files: must name a file'],
    [{ somePairs: ['a'] }, '--some-pairs: "a" is not key=value'],
    [{ somePairs: ['a=1', 'a=2'] }, '--some-pairs: "a" is given twice'],
    [{ aText: 'x'.repeat(300), aCount: 'x'.repeat(300) }, `--a-count: "${'x'.repeat(200)}…" is not a number`],
  ])('refuse %j by name', (given, message) => {
    expect(() => kinds.read(given)).toThrow(UsageError);
    expect(() => kinds.read(given)).toThrow(message);
  });
});

describe('the rules between options', () => {
  const ruled = topic(
    'Ruled',
    {
      one: text('text').help(''),
      other: text('text').help(''),
      isOn: boolean(false).help(''),
      third: list('values').help(''),
    },
    [together('one', 'other'), needs('third', 'isOn', 'one'), excludes('isOn', 'one')],
  );

  it.each<[GivenOptions, string]>([
    [{ one: 'a' }, '--other: required with --one'],
    [{ other: 'a' }, '--one: required with --other'],
    [{ third: ['a'] }, '--third: needs --is-on or --one'],
    [{ third: ['a'], isOn: false }, '--third: needs --is-on or --one'],
    [{ isOn: true, one: 'a', other: 'b' }, '--is-on: cannot be combined with --one'],
  ])('refuse %j', (given, message) => {
    expect(() => ruled.read(given)).toThrow(new UsageError(message));
    // They hold for the whole topic alone.
    expect(() => only(ruled, 'one', 'third', 'isOn').read(given)).not.toThrow();
  });

  it.each<GivenOptions>([{}, { one: 'a', other: 'b' }, { third: ['a'], isOn: true }])('allow %j', (given) => {
    expect(() => ruled.read(given)).not.toThrow();
  });

  const led = topic(
    'Led',
    { first: text('text').help(''), lead: boolean(false).help(''), last: count(5).help('') },
    [othersNeed('lead')],
  );

  it.each<[GivenOptions, string]>([
    [{ last: 5 }, '--last: needs --lead'],
    [{ lead: false, first: 'a', last: 5 }, '--first: needs --lead'],
  ])('refuse %j without what all others need', (given, message) => {
    expect(() => led.read(given)).toThrow(new UsageError(message));
  });

  it.each<GivenOptions>([{}, { lead: false }, { lead: true }, { lead: true, first: 'a' }])(
    'allow %j with what all others need, or alone',
    (given) => {
      expect(() => led.read(given)).not.toThrow();
    },
  );
});
