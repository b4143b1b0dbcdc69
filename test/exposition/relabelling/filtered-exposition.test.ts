import { spawnSync } from 'node:child_process';
import { Counter, Histogram, Registry, type RegistryContentType } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { NotSyncedError, RelabellingOptionError } from '../../../src/exposition/exposition-errors.js';
import { registriesExposition } from '../../../src/exposition/sources/registries-exposition.js';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../../src/exposition/relabelling/filtered-exposition.js';
import { TimeSlice } from '../../../src/time-slice.js';
import { recordedShardMetrics } from '../text-format/expositions.js';
import { contentTypes, filtered, fixedExposition, textOf } from './filtering.js';

const histogram = [
  '# HELP seconds h',
  '# TYPE seconds histogram',
  'seconds_bucket{namespace="host-a",le="1"} 1',
  'seconds_bucket{namespace="host-a",le="+Inf"} 2',
  'seconds_sum{namespace="host-a"} 3',
  'seconds_count{namespace="host-a"} 2',
  '',
].join('\n');
const gauge = '# HELP up h\n# TYPE up gauge\nup 1\n';
const mapping = { current: LabelMapping.of({ namespace: { 'host-a': 'team-a', 'host-b': 'team-b' } }) };

/** More than is held before it is sent. */
function manyOf(name: string): string {
  return Array.from({ length: 10_000 }, (_, at) => `${name}{x="${at}"} 1\n`).join('');
}

describe('metrics are kept and dropped by globs', () => {
  it.each<[what: string, rules: FilteredExpositionOptions, left: string]>([
    ['all, without a glob', {}, histogram + gauge],
    ['a family goes with its name', { keepMetrics: ['seconds'] }, histogram],
    ['a family goes with its name', { dropMetrics: ['s*'] }, gauge],
    ['dropped is dropped, kept or not', { keepMetrics: ['*'], dropMetrics: ['seconds', 'nothing'] }, gauge],
    ['one of several', { keepMetrics: ['{up,down}', 'left'] }, gauge],
    ['nothing', { keepMetrics: ['second'] }, ''],
    [
      'samples go with their own name',
      { keepMetrics: ['seconds_sum'] },
      '# HELP seconds h\n# TYPE seconds histogram\nseconds_sum{namespace="host-a"} 3\n',
    ],
    [
      'buckets can be left out',
      { dropMetrics: ['*_bucket', 'up'] },
      '# HELP seconds h\n# TYPE seconds histogram\nseconds_sum{namespace="host-a"} 3\nseconds_count{namespace="host-a"} 2\n',
    ],
  ])('%s: %j', async (_what, rules, left) => {
    const { text, counts } = await filtered(histogram + gauge, rules);
    expect(text).toBe(left);
    const kept = left.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    expect([counts?.kept, counts?.dropped['metric-name']]).toEqual([kept, 5 - kept]);
  });

  it('means the same counter in both formats', async () => {
    const openMetrics = '# TYPE requests counter\nrequests_total 1\n# TYPE up gauge\nup 1\n# EOF\n';
    const rules = { keepMetrics: ['requests_total'] };
    expect((await filtered(openMetrics, rules, 'openmetrics')).text).toBe(
      '# TYPE requests counter\nrequests_total 1\n# EOF\n',
    );
    const textFormat = '# TYPE requests_total counter\nrequests_total 1\n# TYPE up gauge\nup 1\n';
    expect((await filtered(textFormat, rules)).text).toBe(
      '# TYPE requests_total counter\nrequests_total 1\n',
    );
  });

  it.each(['secret_bucket{le="+Inf"} 2', 'secret_sum 2', 'secret_count 2', 'secret 2'])(
    'finds samples that strayed from their family: %s',
    async (stray) => {
      const body = `# TYPE secret histogram\nsecret_bucket{le="+Inf"} 1\n${gauge}${stray}\n`;
      expect((await filtered(body, { dropMetrics: ['secret'] })).text).toBe(gauge);
      expect((await filtered(body, { keepMetrics: ['up'] })).text).toBe(gauge);
      expect((await filtered(body, { keepMetrics: ['secret'] })).text).toContain(stray);
    },
  );

  it('leaves a metric alone that has the name of a sample, and a header', async () => {
    const other = '# TYPE secret_sum gauge\nsecret_sum 1\n';
    const body = `# TYPE secret histogram\nsecret_bucket{le="+Inf"} 1\n${other}`;
    expect((await filtered(body, { dropMetrics: ['secret'] })).text).toBe(other);
  });

  it('leaves out what is too long for a glob', async () => {
    const long = 'a'.repeat(257);
    expect((await filtered(`${long} 1\nb 1\n`, { dropMetrics: ['c'] })).text).toBe('b 1\n');
    expect((await filtered(`${long} 1\nb 1\n`, { keepMetrics: ['*'] })).text).toBe('b 1\n');
  });

  it('takes no time with names made to be slow for a glob', async () => {
    const body = `${'a'.repeat(256)} 1\n`.repeat(20);
    const started = performance.now();
    await filtered(body, { keepMetrics: ['*a*a*b'] });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('labels', () => {
  it.each<[what: string, rules: FilteredExpositionOptions, line: string, left: string]>([
    ['are dropped', { dropLabels: ['b'] }, 'a{b="1",c="2"} 1 5', 'a{c="2"} 1 5'],
    ['are dropped to the last one', { dropLabels: ['b', 'c'] }, 'a{b="1",c="2"}1', 'a 1'],
    ['are renamed', { renameLabels: { b: 'd' } }, 'a{b="1",c="2"} 1', 'a{d="1",c="2"} 1'],
    ['change places', { renameLabels: { b: 'c', c: 'b' } }, 'a{b="1",c="2"} 1', 'a{c="1",b="2"} 1'],
    ['are mapped', { labelMapping: mapping }, 'a{namespace="host-a"} 1', 'a{namespace="team-a"} 1'],
    [
      'are mapped before they are renamed',
      { labelMapping: mapping, renameLabels: { namespace: 'ns' } },
      'a{namespace="host-a"} 1',
      'a{ns="team-a"} 1',
    ],
    [
      'are mapped before they are dropped',
      { labelMapping: mapping, dropLabels: ['namespace'] },
      'a{namespace="host-a"} 1',
      'a 1',
    ],
    [
      'are mapped as escaped',
      { labelMapping: { current: LabelMapping.of({ b: { 'x"\\\nü': 'y"\\\nö' } }) } },
      'a{b="x\\"\\\\\\nü"} 1',
      'a{b="y\\"\\\\\\nö"} 1',
    ],
    [
      'are taken over by a rename where the old one goes',
      { dropLabels: ['c'], renameLabels: { b: 'c' } },
      'a{b="1",c="2"} 1',
      'a{c="1"} 1',
    ],
  ])('%s', async (_what, rules, line, left) => {
    expect((await filtered(`${line}\n`, rules)).text).toBe(`${left}\n`);
  });

  it.each<[what: string, rules: FilteredExpositionOptions, line: string, reason: string]>([
    ['without the mapped label', { labelMapping: mapping }, 'a{b="1"} 1', 'no-mapping'],
    ['without any label', { labelMapping: mapping }, 'a 1', 'no-mapping'],
    ['with an unknown value', { labelMapping: mapping }, 'a{namespace="host-c"} 1', 'no-mapping'],
    [
      'with a value that only begins like it',
      { labelMapping: mapping },
      'a{namespace="host-"} 1',
      'no-mapping',
    ],
    ['with a virtual name', { labelMapping: mapping }, 'a{namespace="team-a"} 1', 'no-mapping'],
    ['of a name every object has', { labelMapping: mapping }, 'a{namespace="constructor"} 1', 'no-mapping'],
    [
      'with one label of two',
      { labelMapping: { current: LabelMapping.of({ namespace: { x: 'y' }, pod: { x: 'y' } }) } },
      'a{namespace="x"} 1',
      'no-mapping',
    ],
    ['with the new name already', { renameLabels: { b: 'c' } }, 'a{b="1",c="2"} 1', 'label-conflict'],
    ['with the new name already', { renameLabels: { b: 'c' } }, 'a{c="1",b="2"} 1', 'label-conflict'],
  ])('a series %s is left out, and its header: %s', async (_what, rules, line, reason) => {
    const { text, counts } = await filtered(`# TYPE a gauge\n${line}\n`, rules);
    expect(text).toBe('');
    expect(counts).toEqual({
      kept: 0,
      dropped: { 'metric-name': 0, duplicate: 0, 'no-mapping': 0, 'label-conflict': 0, [reason]: 1 },
    });
  });

  it.each([
    ['as they come', ''],
    ['where one of them has an escape', 'a{b="\\\\",namespace="host-a"} 0\n'],
    ['where one of them ends with a comma', 'a{b="",namespace="host-a",} 0\n'],
  ])('are mapped line by line, %s', async (_how, first) => {
    const lines = [
      'a{b="x",namespace="host-a",c="host-b"} 1',
      'a{b="x,namespace=",namespace="host-b"} 2 5',
      'a{b="namespace"} 3',
      'a{} 4',
      'a 5',
      'a{b="ü",namespace="host-c",c="}"} 6',
      'a{b="ü",namespace="host-a",c="} 1"} 7',
    ];
    const { text, counts } = await filtered(`${first}${lines.join('\n')}\n`, { labelMapping: mapping });
    expect(text.split('\n').slice(first === '' ? 0 : 1, -1)).toEqual([
      'a{b="x",namespace="team-a",c="host-b"} 1',
      'a{b="x,namespace=",namespace="team-b"} 2 5',
      'a{b="ü",namespace="team-a",c="} 1"} 7',
    ]);
    expect(counts).toMatchObject({ kept: first === '' ? 3 : 4, dropped: { 'no-mapping': 4 } });
  });

  it('leave no exemplar and no remark, which may hold the old names', async () => {
    const body = 'a_total{namespace="host-a"} 1 2 # {namespace="host-b"} 1 2\n# EOF\n';
    const rules = { labelMapping: mapping };
    expect((await filtered(body, rules, 'openmetrics')).text).toBe(
      'a_total{namespace="team-a"} 1 2\n# EOF\n',
    );
    const remarks = '# host-b\n# TYPE a gauge\n# host-b\n# HELP a h\na{namespace="host-a"} 1\n# host-b\n';
    expect((await filtered(remarks, rules)).text).toBe(
      '# TYPE a gauge\n# HELP a h\na{namespace="team-a"} 1\n',
    );
  });

  it('of a mapping that changed are mapped by the new one', async () => {
    const followed = { current: mapping.current };
    const exposition = filteredExposition(
      fixedExposition({ contentType: contentTypes.text, body: 'a{namespace="host-a"} 1\n' }),
      { labelMapping: followed },
    );
    expect(await textOf(await exposition.render({ accept: '' }))).toBe('a{namespace="team-a"} 1\n');
    followed.current = LabelMapping.of({ namespace: { 'host-b': 'team-b' } });
    expect(await textOf(await exposition.render({ accept: '' }))).toBe('');
  });
});

describe('names of pods', () => {
  it.each([
    ['nothing is sent yet', 1],
    ['much is sent already', 10_000],
  ])('that may no longer be used break off a rendering, where %s', async (_what, lines) => {
    let reason: string | undefined;
    const series = 'up{namespace="a",pod="b"} 1\n';
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(Array.from({ length: lines }, (_, at) => series.replace('up', `up_${at}`)).join(''));
      await Promise.resolve();
      reason = 'lost';
      yield Buffer.from(series);
    }
    const results: string[] = [];
    const exposition = filteredExposition(fixedExposition({ contentType: contentTypes.text, body: body() }), {
      podNames: { find: (namespace, name) => ({ namespace, name }), unavailable: () => reason },
      onScrape: (result) => results.push(result),
    });
    const rendered = exposition.render({ accept: '' });
    await expect(rendered.then(textOf)).rejects.toThrow(new NotSyncedError('lost'));
    expect(results).toEqual(['failure']);
  });
});

describe('series that become the same', () => {
  it.each<[what: string, rules: FilteredExpositionOptions, body: string, left: string]>([
    [
      'by a dropped label',
      { dropLabels: ['b'] },
      'a{b="1"} 1\na{b="2"} 2\na{b="",c="1"} 3\na 4\n',
      'a 1\na{c="1"} 3\n',
    ],
    [
      'in another order',
      { dropLabels: ['x'] },
      'a{x="1",b="1",c="2"} 1\na{c="2",b="1",x="2"} 2\na{c="1",b="2"} 3\n',
      'a{b="1",c="2"} 1\na{c="1",b="2"} 3\n',
    ],
    [
      'by a mapping',
      { labelMapping: { current: LabelMapping.of({ b: { '1': 'x', '2': 'x', '3': 'y' } }) } },
      'a{b="1"} 1\na{b="2"} 2\na{b="3"} 3\n',
      'a{b="x"} 1\na{b="y"} 3\n',
    ],
    ['by a new name', { renameLabels: { b: 'c' } }, 'a{c="1"} 1\na{b="1"} 2\n', 'a{c="1"} 1\n'],
    ['not those of other names', { dropLabels: ['b'] }, 'a{b="1"} 1\nc{b="1"} 1\n', 'a 1\nc 1\n'],
  ])('%s: the first is kept', async (_what, rules, body, left) => {
    const { text, counts } = await filtered(body, rules);
    expect(text).toBe(left);
    expect(counts?.dropped.duplicate).toBe(body.split('\n').length - left.split('\n').length);
  });

  it('are found among 200,000', async () => {
    const lines = Array.from({ length: 200_000 }, (_, at) => `a{b="${at % 2}",c="${at >> 1}"} 1\n`);
    const { text, counts } = await filtered(lines.join(''), { dropLabels: ['b'] });
    expect([counts?.kept, counts?.dropped.duplicate]).toEqual([100_000, 100_000]);
    expect(new Set(text.split('\n')).size).toBe(100_001);
  });

  it('are found in a second place of their metric', async () => {
    const body = '# TYPE a gauge\na{b="1"} 1\n# TYPE c gauge\nc 1\n# HELP a h\na{b="2"} 1\n';
    const { text, counts } = await filtered(body, { dropLabels: ['b'] });
    expect(text).toBe('# TYPE a gauge\n# HELP a h\na 1\n# TYPE c gauge\nc 1\n');
    expect(counts?.dropped.duplicate).toBe(1);
  });

  it('cannot hide there behind much that is sent already: that is refused', async () => {
    const body = `a{b="1"} 1\n${manyOf('c')}a{b="2"} 1\n`;
    const rendered = filtered(body, { dropLabels: ['b'] });
    await expect(rendered).rejects.toThrow('line 10002: samples of one metric stand in two places ("a")');
  });

  it.each([
    ['of two times', 'a{b="1"} 1 1\na{b="1"} 2 2\n', 'a 1 1\na 2 2\n'],
    ['twice', 'a{b="1"} 1\na{b="1"} 2\n', 'a 1\na 2\n'],
    [
      'of two times, and one that became the same',
      'a{b="1"} 1 1\na{b="2"} 2 2\na{b="1"} 3 3\n',
      'a 1 1\na 3 3\n',
    ],
    ['that had no such label, and one that had', 'a 1 1\na{b="1"} 2 2\na{b=""} 3 3\n', 'a 1 1\na 3 3\n'],
  ])('are no points of one series %s', async (_what, body, left) => {
    expect((await filtered(body, { dropLabels: ['b'] })).text).toBe(left);
    const openMetrics = await filtered(`${body}# EOF\n`, { dropLabels: ['b'] }, 'openmetrics');
    expect(openMetrics.text).toBe(`${left}# EOF\n`);
  });
});

describe('samples belong to their metric', () => {
  it.each<[where: string, body: string, left: string]>([
    [
      'far behind its header',
      '# TYPE m gauge\n# TYPE n counter\n# HELP n h\nm 1\nn 1\n',
      '# TYPE m gauge\nm 1\n# TYPE n counter\n# HELP n h\nn 1\n',
    ],
    [
      'between others',
      '# TYPE m gauge\nm{x="1"} 1\n\n# TYPE n gauge\nn{x="1"} 1\nm{x="2"} 1\nn{x="2"} 1\n',
      '# TYPE m gauge\nm{x="1"} 1\nm{x="2"} 1\n# TYPE n gauge\nn{x="1"} 1\nn{x="2"} 1\n',
    ],
    ['before its header', 'm 1\n# TYPE m gauge\nm{x="1"} 1\n', '# TYPE m gauge\nm 1\nm{x="1"} 1\n'],
    [
      'under a header that is repeated',
      '# TYPE m gauge\nm 1\n# TYPE m gauge\nm{x="1"} 1\n',
      '# TYPE m gauge\nm 1\nm{x="1"} 1\n',
    ],
    [
      'under two: the last one holds',
      '# TYPE m gauge\nm 1\n# TYPE m counter\nm{x="1"} 1\n',
      '# TYPE m counter\nm 1\nm{x="1"} 1\n',
    ],
    [
      'by other names, before the header',
      's_sum 1\n# TYPE s summary\ns{quantile="1"} 1\n# TYPE n gauge\nn 1\ns_count 1\n',
      '# TYPE s summary\ns_sum 1\ns{quantile="1"} 1\ns_count 1\n# TYPE n gauge\nn 1\n',
    ],
    ['that has none', '# TYPE m gauge\n# TYPE n gauge\nn 1\n', '# TYPE n gauge\nn 1\n# TYPE m gauge\n'],
    ['of a quoted name', '# TYPE "m.n" gauge\n{"m.n",a="b"} 1\n', '# TYPE "m.n" gauge\n{"m.n",a="b"} 1\n'],
  ])('wherever they stand: %s', async (_where, body, left) => {
    expect((await filtered(body, { dropMetrics: ['x'] })).text).toBe(left);
    expect((await filtered(body, { dropLabels: ['never'] })).text).toBe(left);
  });

  it('and go with it', async () => {
    const body = '# TYPE m gauge\n# HELP "n.o" h\n# TYPE o gauge\nm 1\n{"n.o"} 1\no 1\nm{x="1"} 1\n';
    expect((await filtered(body, { dropMetrics: ['n_*', 'm'] })).text).toBe('# TYPE o gauge\no 1\n');
    expect((await filtered(body, { keepMetrics: ['o'] })).text).toBe('# TYPE o gauge\no 1\n');
  });

  it('with labels that have quoted names, and a quoted name', async () => {
    const body = '{"m.n",a="1","b c"="2",d="3"} 1\n{"m.n",a="1"} 2\n';
    const rules = { dropLabels: ['a'], renameLabels: { d: 'e' } };
    expect((await filtered(body, rules)).text).toBe('{"m.n","b c"="2",e="3"} 1\n{"m.n"} 2\n');
  });

  it('in their order behind much that is sent already, without what is said of them too late', async () => {
    const body = `# TYPE a gauge\na{b="1"} 1\n${manyOf('c')}# HELP a h\na{b="2"} 1\n# TYPE c gauge\n# TYPE d gauge\nd 1\n`;
    expect((await filtered(body, {})).text).toBe(
      body.replace('# HELP a h\n', '').replace('# TYPE c gauge\n', ''),
    );
  });

  it('in no more memory than 64 MiB', async () => {
    function* pieces(): Generator<Uint8Array> {
      for (let at = 0; at < 700; at += 1) yield Buffer.from('a{b="1"} 1\nc{b="1"} 1\n'.repeat(2000));
    }
    async function* body(): AsyncGenerator<Uint8Array> {
      yield* pieces();
      await Promise.resolve();
    }
    await expect(filtered(body(), {})).rejects.toMatchObject({
      code: 'ERR_UPSTREAM',
      message: expect.stringMatching(/metrics that come in pieces, of more than 67108864 bytes/) as string,
    });
  });
});

describe('metrics without samples', () => {
  const names = Array.from({ length: 5000 }, (_, at) => `m${at}`);
  const headers = names.map((name) => `# TYPE ${name} gauge\n`).join('');
  it.each([
    ['kept', {}, headers],
    ['kept behind one in pieces', {}, `a 1\nb 1\na 2\n${headers}`],
    ['left out behind one in pieces', { dropMetrics: ['m*'] }, `a 1\nb 1\na 2\n${headers}`],
  ])('are gone through in slices where they are %s', async (_how, rules, body) => {
    let now = performance.now();
    // A millisecond with each look: what is done in one go looks seldom.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1));
    const rests = vi.spyOn(TimeSlice.prototype, 'rest');
    try {
      const { text } = await filtered(body, rules);
      expect(text.length).toBe('dropMetrics' in rules ? 'a 1\na 2\nb 1\n'.length : body.length);
      expect(rests.mock.calls.length).toBeGreaterThan(names.length / 8);
    } finally {
      clock.mockRestore();
      rests.mockRestore();
    }
  });

  it('take no more memory than 64 MiB for their names', async () => {
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < 80_000; at += 1) yield Buffer.from(`# TYPE ${'m'.repeat(1000)}${at} gauge\n`);
      await Promise.resolve();
    }
    await expect(filtered(body(), {})).rejects.toThrow(
      'more than 67108864 characters of names and headers in one scrape',
    );
  });
});

describe('what is filtered of real expositions', () => {
  it('is all of it, byte by byte, where nothing is left out', async () => {
    const bytes = recordedShardMetrics();
    const { text, rendered } = await filtered(bytes, { keepMetrics: ['*'], maxSeries: 15_602 });
    expect(text === bytes.toString()).toBe(true);
    expect(rendered.body).not.toBeInstanceOf(Uint8Array);
  });

  it.each([
    ['text', Registry.PROMETHEUS_CONTENT_TYPE],
    ['openmetrics', Registry.OPENMETRICS_CONTENT_TYPE],
  ] as const)('of prom-client is, too: %s', async (_format, contentType) => {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(contentType);
    new Counter({ name: 'c_total', help: 'h', registers: [registry] }).inc();
    new Histogram({ name: 'h', help: 'h', registers: [registry] }).observe(1);
    const rendered = await filteredExposition(registriesExposition({ registries: [registry] }), {
      dropMetrics: ['nothing'],
    }).render({ accept: contentType });
    expect(await textOf(rendered)).toBe(await registry.metrics());
    expect(rendered.body).toBeInstanceOf(Uint8Array);
  });

  const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
  it.skipIf(!hasPromtool)('is no worse to promtool than before', async () => {
    const lint = (text: string): readonly string[] =>
      spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
        .stderr.split('\n')
        .sort();
    const bytes = recordedShardMetrics();
    const before = new Set(lint(bytes.toString()));
    const { text } = await filtered(bytes, {
      dropMetrics: ['*_bucket', 'go_*'],
      dropLabels: ['group', 'version'],
      renameLabels: { resource: 'kind_of_object' },
    });
    expect(text.length).toBeGreaterThan(100_000);
    expect(lint(text).filter((line) => !before.has(line))).toEqual([]);
  });
});

describe('options that cannot be used are refused by name, before anything is served', () => {
  const behind = fixedExposition({ contentType: contentTypes.text, body: '' });
  it.each<[FilteredExpositionOptions, string]>([
    [{ keepMetrics: [''] }, 'keepMetrics: "" must have 1 to 1024 characters'],
    [{ keepMetrics: ['a'.repeat(1025)] }, 'must have 1 to 1024 characters'],
    [{ dropMetrics: ['a b'] }, 'dropMetrics: "a b" has a character that no glob of metric names has'],
    [{ dropMetrics: ['a{1..99999999}'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['!(a)'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['a/b'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['*a*b*c*'] }, 'dropMetrics: "*a*b*c*" has more than 3 stars'],
    [{ dropLabels: ['a-b'] }, 'dropLabels: "a-b" is no label name'],
    [{ dropLabels: ['le'] }, 'dropLabels: "le" belongs to histograms and summaries'],
    [{ dropLabels: ['a'], renameLabels: { a: 'b' } }, 'dropLabels: "a" is renamed, too'],
    [{ renameLabels: { quantile: 'q' } }, 'renameLabels: "quantile" belongs'],
    [{ renameLabels: { q: 'quantile' } }, 'renameLabels: "quantile" belongs'],
    [{ renameLabels: { a: '__address__' } }, 'renameLabels: "__address__" is reserved to Prometheus'],
    [{ renameLabels: { a: '' } }, 'renameLabels: "" is no label name'],
    [{ renameLabels: { a: 'a' } }, 'renameLabels: "a" becomes itself'],
    [{ renameLabels: { a: 'c', b: 'c' } }, 'renameLabels: two labels become "c"'],
    [{ maxSeries: -1 }, 'maxSeries: must be a whole number, 0 for no bound'],
    [{ maxSeries: 1.5 }, 'maxSeries: must be a whole number'],
    [{ maxLineBytes: 0 }, 'maxLineBytes: must be a whole number of at least 1'],
  ])('%j', (options, message) => {
    const make = (): unknown => filteredExposition(behind, options);
    expect(make).toThrow(RelabellingOptionError);
    expect(make).toThrow(message);
  });

  it.each([
    [{}, 'labelMapping: names no label'],
    [{ 'a-b': {} }, 'labelMapping: "a-b" is no label name'],
    [{ le: {} }, 'labelMapping: "le" belongs to histograms and summaries'],
    [{ a: { '': 'b' } }, 'labelMapping: the empty value cannot be mapped'],
    [{ a: { b: '' } }, 'labelMapping: "b" is mapped to nothing'],
  ])('a mapping: %j', (labels, message) => {
    expect(() => LabelMapping.of(labels)).toThrow(message);
  });

  it.each([
    ['a?c', 'abc 1\nac 1\n', 'abc 1\n'],
    ['a[b-d]', 'ab 1\nae 1\n', 'ab 1\n'],
    ['a[^b]', 'ab 1\nac 1\n', 'ac 1\n'],
    ['{a,b:*}', 'a 1\nb:c 1\nb 1\n', 'a 1\nb:c 1\n'],
    ['**', 'a 1\n', 'a 1\n'],
  ])('a glob may be %s', async (glob, body, left) => {
    expect((await filtered(body, { keepMetrics: [glob] })).text).toBe(left);
  });
});
