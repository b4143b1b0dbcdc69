import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { mergedExposition } from '../../../src/exposition/merging/merged-exposition.js';
import type { MergedExpositionOptions } from '../../../src/exposition/merging/merging-options.js';
import { fixedExposition } from '../relabelling/filtering.js';
import { familiesRead, partsOf, recordedShardMetrics } from '../text-format/expositions.js';
import { stepMs, turnsOf } from '../../support/counted-turns.js';
import { labelled, member, merged } from './merging.js';

const gauge = (value: string): string => `# HELP up h\n# TYPE up gauge\nup ${value}\n`;
const counter = '# HELP requests_total h\n# TYPE requests_total counter\nrequests_total{code="200"} 1\n';

describe('several expositions become one', () => {
  it('whose metrics stand together, each under one header', async () => {
    const { series, up, failures } = await merged([
      labelled('a', gauge('1') + counter),
      labelled('b', counter + gauge('0')),
    ]);
    expect(series).toBe(
      [
        '# HELP up h',
        '# TYPE up gauge',
        'up{upstream="a"} 1',
        'up{upstream="b"} 0',
        '# HELP requests_total h',
        '# TYPE requests_total counter',
        'requests_total{upstream="a",code="200"} 1',
        'requests_total{upstream="b",code="200"} 1',
        '',
      ].join('\n'),
    );
    expect([up, failures]).toEqual([{ a: 1, b: 1 }, []]);
  });

  it('in the order of their names, and very many hold the event loop for no longer', async () => {
    const bodyOf = (end: string): Uint8Array =>
      Buffer.from(Array.from({ length: 150_000 }, (_, at) => `m${at + 100_000}${end} 1\n`).join(''));
    const members = [member('a', bodyOf('a')), member('b', bodyOf('b'))];
    let series = '';
    const { longest, total } = await turnsOf(async () => {
      ({ series } = await merged(members, { maxHeldBytes: 256 * 1024 * 1024 }));
    });
    const names = series.match(/^m\S+/gm) ?? [];
    expect([names.length, names.slice(0, 3)]).toEqual([300_000, ['m100000a', 'm100000b', 'm100001a']]);
    expect(names.every((name, at) => at === 0 || (names[at - 1] ?? '') < name)).toBe(true);
    expect(longest).toBeLessThan(5);
    // To sort them takes six hundred thousand steps: in one go, these would not count.
    expect(total).toBeGreaterThan(1_400_000 * stepMs);
  });

  it('whose samples stay with their metric when another type is said of it', async () => {
    const { series, leftOut } = await merged([
      member('a', '# TYPE h histogram\nh_count 1\n# TYPE h counter\nh_sum 2\nother 3\nh_count{x="y"} 4\n'),
    ]);
    expect(series).toBe(
      '# TYPE h counter\nh_count 1\nh_sum 2\nh_count{x="y"} 4\n# TYPE other untyped\nother 3\n',
    );
    expect(leftOut).toEqual([]);
  });

  it('and what is said of a metric without a name is left out', async () => {
    const { series, up } = await merged([member('a', '# HELP "" h\n# TYPE "" gauge\nm 1\n')]);
    expect([series, up]).toEqual(['# TYPE m untyped\nm 1\n', { a: 1 }]);
  });

  it('that ends with what is known of the members themselves', async () => {
    const { text } = await merged([labelled('a', gauge('1')), labelled('b', 'not an exposition\n')]);
    expect(text.replace(/\d\.\d{6}/g, '0.5')).toBe(
      [
        '# HELP up h',
        '# TYPE up gauge',
        'up{upstream="a"} 1',
        "# HELP kcp_metrics_filter_upstream_up Whether the upstream's exposition is part of this scrape.",
        '# TYPE kcp_metrics_filter_upstream_up gauge',
        'kcp_metrics_filter_upstream_up{upstream="a"} 1',
        'kcp_metrics_filter_upstream_up{upstream="b"} 0',
        "# HELP kcp_metrics_filter_upstream_scrape_duration_seconds Time until the upstream's exposition was read, or failed, in seconds.",
        '# TYPE kcp_metrics_filter_upstream_scrape_duration_seconds gauge',
        'kcp_metrics_filter_upstream_scrape_duration_seconds{upstream="a"} 0.5',
        'kcp_metrics_filter_upstream_scrape_duration_seconds{upstream="b"} 0.5',
        '',
      ].join('\n'),
    );
  });

  it.each<[what: string, line: string, becomes: string]>([
    ['no labels', 'm 1', 'm{upstream="a"} 1'],
    ['empty braces', 'm{} 1', 'm{upstream="a"} 1'],
    ['a label', 'm{x="1"} 1', 'm{upstream="a",x="1"} 1'],
    ['blanks everywhere', ' m\t{ x = "1" , } 1 5 ', 'm{upstream="a",x="1"} 1 5'],
    ['a timestamp', 'm 1 1700000000000', 'm{upstream="a"} 1 1700000000000'],
    ['escapes', 'm{x="a\\"b\\\\c\\n"} NaN', 'm{upstream="a",x="a\\"b\\\\c\\n"} NaN'],
    ['the name in a value', 'm{x="upstream"} 1', 'm{upstream="a",x="upstream"} 1'],
    ['the name as part of another', 'm{upstreams="1"} 1', 'm{upstream="a",upstreams="1"} 1'],
    ['the label itself', 'm{upstream="1"} 1', 'm{upstream="a",exported_upstream="1"} 1'],
    [
      'the label itself, among others and with blanks',
      'm{x="1", upstream = "2" ,y="3"} 1',
      'm{upstream="a",x="1",exported_upstream="2",y="3"} 1',
    ],
    [
      'the label itself, and one that has its new name',
      'm{exported_upstream="1",upstream="2"} 1',
      'm{upstream="a",exported_upstream="1",exported_exported_upstream="2"} 1',
    ],
    ['a quoted label', 'm{"x y"="1"} 1', 'm{upstream="a","x y"="1"} 1'],
    ['the label itself, quoted', 'm{"upstream"="1"} 1', 'm{upstream="a",exported_upstream="1"} 1'],
  ])('whose series get the label: %s', async (_what, line, becomes) => {
    const { series } = await merged([labelled('a', `# TYPE m gauge\n${line}\n`)]);
    expect(series).toBe(`# TYPE m gauge\n${becomes}\n`);
  });

  it('whose series get the label: one of each kind behind another', async () => {
    const lines = [
      'm{x="1",y="2"} 1',
      'm{x="ü"} 2 5',
      'm 3',
      'm{} 4',
      'm{x="5",} 5',
      'm{x="a\\"} m 1\\n"} 6',
    ];
    const { series } = await merged([labelled('b', `# TYPE m gauge\n${lines.join('\n')}\n`)]);
    expect(series.split('\n').slice(1, -1)).toEqual([
      'm{upstream="b",x="1",y="2"} 1',
      'm{upstream="b",x="ü"} 2 5',
      'm{upstream="b"} 3',
      'm{upstream="b"} 4',
      'm{upstream="b",x="5",} 5',
      'm{upstream="b",x="a\\"} m 1\\n"} 6',
    ]);
  });

  it('whose labels may be several, with any text', async () => {
    const { series } = await merged([member('a', 'm{zone="1"} 1\n', { shard: 'a"\\\nü', zone: 'eu' })]);
    expect(series).toBe('# TYPE m untyped\nm{shard="a\\"\\\\\\nü",zone="eu",exported_zone="1"} 1\n');
  });

  it('without comments and blank lines, and with a type where there was none', async () => {
    const { series } = await merged([member('a', '# says\n\nm 1\n# HELP n h\n# says\nn 2\n')]);
    expect(series).toBe('# TYPE m untyped\nm 1\n# HELP n h\n# TYPE n untyped\nn 2\n');
  });

  it.each([
    ['', 'm.n{x="1"} 1', '{"m.n",upstream="a",x="1"} 1'],
    ['without a label', 'm.n 1', '{"m.n",upstream="a"} 1'],
    [
      'with the label itself',
      'm.n{upstream="1",x="2"} 1',
      '{"m.n",upstream="a",exported_upstream="1",x="2"} 1',
    ],
  ])('whose names may be quoted, %s', async (_what, line, becomes) => {
    const quoted = line.replace(/^m\.n\{?(.*?)\}? 1$/, '{"m.n",$1} 1');
    const { series } = await merged([labelled('a', `# TYPE "m.n" gauge\n${quoted}\n`)]);
    expect(series).toBe(`# TYPE "m.n" gauge\n${becomes}\n`);
  });

  it.each([
    [
      'in two places',
      'm{x="1"} 1\nn 1\nm{x="2"} 2\n',
      '# TYPE m untyped\nm{x="1"} 1\nm{x="2"} 2\n# TYPE n untyped\nn 1\n',
    ],
    [
      'far behind its header',
      '# TYPE m gauge\n# TYPE n counter\n# HELP n h\nm 1\nn 1\n',
      '# TYPE m gauge\nm 1\n# HELP n h\n# TYPE n counter\nn 1\n',
    ],
    [
      'with others in between, line by line',
      '# TYPE m gauge\nm{x="1"} 1\n# TYPE n gauge\nn{x="1"} 1\nm{x="2"} 1\nn{x="2"} 1\n',
      '# TYPE m gauge\nm{x="1"} 1\nm{x="2"} 1\n# TYPE n gauge\nn{x="1"} 1\nn{x="2"} 1\n',
    ],
    [
      'before its header',
      'm 1\n# HELP m h\n# TYPE m gauge\nm{x="1"} 1\n',
      '# HELP m h\n# TYPE m gauge\nm 1\nm{x="1"} 1\n',
    ],
    [
      'under a header that is repeated',
      '# TYPE m gauge\n# TYPE m gauge\nm 1\n# TYPE m gauge\n',
      '# TYPE m gauge\nm 1\n',
    ],
    [
      'under two headers: the last one holds',
      '# TYPE m gauge\nm 1\n# TYPE m counter\n',
      '# TYPE m counter\nm 1\n',
    ],
    [
      'whose samples have other names, before the header and far behind it',
      's_sum 1\n# TYPE s summary\ns{quantile="1"} 1\n# TYPE n gauge\nn 1\ns_count 1\n',
      '# TYPE s summary\ns_sum 1\ns{quantile="1"} 1\ns_count 1\n# TYPE n gauge\nn 1\n',
    ],
    [
      'beside one that is named as its samples are',
      '# TYPE s counter\n# TYPE s_total gauge\ns 1\ns_total 2\ns 3\n',
      '# TYPE s counter\ns 1\ns 3\n# TYPE s_total gauge\ns_total 2\n',
    ],
    ['twice, as it stands there', 'm 1 1\nm 2 2\nm 2 2\n', '# TYPE m untyped\nm 1 1\nm 2 2\nm 2 2\n'],
  ])('where one exposition has a metric %s', async (_where, body, becomes) => {
    const { series, leftOut } = await merged([member('a', body)]);
    expect([series, leftOut]).toEqual([becomes, []]);
  });

  it('whatever it is asked: the text format, uncoded, of the members and to the scraper', async () => {
    const exposition = fixedExposition({ contentType: 'text/plain; version=0.0.4', body: 'm 1\n' });
    const all = mergedExposition({ members: [{ name: 'a', exposition }] });
    const user = { name: 'alice', groups: ['g'] };
    const request = { accept: 'application/openmetrics-text', acceptEncoding: 'gzip', user };
    expect((await all.render(request)).contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(all.contentType(request)).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(exposition.asked).toMatchObject([
      { accept: 'text/plain;version=0.0.4', acceptEncoding: 'identity', timeoutSeconds: 10, user },
    ]);
  });

  it.each([
    [10, 9.5],
    [1, 0.5],
    [0.2, 0.1],
    [60, 10],
  ])('in time: of %d s the members get %d', async (given, got) => {
    const exposition = fixedExposition({ contentType: 'text/plain', body: 'm 1\n' });
    await mergedExposition({ members: [{ name: 'a', exposition }] }).render({
      accept: '',
      timeoutSeconds: given,
    });
    expect(exposition.asked[0]?.timeoutSeconds).toBeCloseTo(got);
  });
});

describe('where expositions contradict each other', () => {
  it('on the type, what comes later is left out', async () => {
    const other = '# HELP up h\n# TYPE up counter\nup 1\nup{x="1"} 2\n';
    const { series, leftOut, up } = await merged([labelled('a', gauge('1')), labelled('b', other + counter)]);
    expect(series).toBe(
      '# HELP up h\n# TYPE up gauge\nup{upstream="a"} 1\n' + counter.replace('{code', '{upstream="b",code'),
    );
    expect(leftOut).toEqual([{ member: 'b', family: 'up', cause: 'conflict', series: 2 }]);
    expect(up).toEqual({ a: 1, b: 1 });
  });

  it('on the help alone, the first that says something is served', async () => {
    const { series, leftOut } = await merged([
      labelled('a', '# TYPE m gauge\nm 1\n'),
      labelled('b', '# HELP m one\\ntwo\n# TYPE m gauge\nm 2\n'),
      labelled('c', '# HELP m three\n# TYPE m gauge\nm 3\n'),
    ]);
    expect(series).toBe(
      '# HELP m one\\ntwo\n# TYPE m gauge\nm{upstream="a"} 1\nm{upstream="b"} 2\nm{upstream="c"} 3\n',
    );
    expect(leftOut).toEqual([]);
  });

  it('untyped and without a type are the same', async () => {
    const { series } = await merged([labelled('a', 'm 1\n'), labelled('b', '# TYPE m untyped\nm 2\n')]);
    expect(series).toBe('# TYPE m untyped\nm{upstream="a"} 1\nm{upstream="b"} 2\n');
  });

  it.each([
    ['a histogram and a counter of its samples’ name', '# TYPE s histogram\ns_sum 1\ns_count 1\n', 's_count'],
    ['the other way round', 's_count 1\n', 's'],
  ])('%s: no name stands in two metrics', async (_what, first, family) => {
    const second = family === 's' ? '# TYPE s histogram\ns_sum 1\ns_count 1\n' : 's_count 1\n';
    const { leftOut } = await merged([labelled('a', first), labelled('b', second)]);
    expect(leftOut).toEqual([{ member: 'b', family, cause: 'conflict', series: family === 's' ? 2 : 1 }]);
  });

  it('by series that are the same, where no label tells them apart: the first is served', async () => {
    const { series, leftOut } = await merged([
      member('a', 'm{x="1",y="2"} 1\nm 2\n'),
      member('b', 'm{y = "2", x="1"} 3\nm{z=""} 4\nm{x="2"} 5\n'),
    ]);
    expect(series).toBe('# TYPE m untyped\nm{x="1",y="2"} 1\nm 2\nm{x="2"} 5\n');
    expect(leftOut).toEqual([{ member: 'b', family: 'm', cause: 'duplicate', series: 2 }]);
  });

  it('by the name of a sample: a metric that is called as those of one before it', async () => {
    const { series, leftOut } = await merged([
      labelled('a', '# TYPE s histogram\ns_sum 1\ns_count 1\n# TYPE s_sum gauge\ns_sum 2\n'),
    ]);
    expect(series).toBe('# TYPE s histogram\ns_sum{upstream="a"} 1\ns_count{upstream="a"} 1\n');
    expect(leftOut).toEqual([{ member: 'a', family: 's_sum', cause: 'conflict', series: 1 }]);
  });

  it('by series that stand in one before: points in time of one member are served, whatever the other says', async () => {
    const { series, leftOut } = await merged([
      member('a', 'm 1 1000\nm 2 2000\n'),
      member('b', 'm 3 3000\nm{x="1"} 4 1000\nm{x="1"} 5 2000\n'),
    ]);
    expect(series).toBe('# TYPE m untyped\nm 1 1000\nm 2 2000\nm{x="1"} 4 1000\nm{x="1"} 5 2000\n');
    expect(leftOut).toEqual([{ member: 'b', family: 'm', cause: 'duplicate', series: 1 }]);
  });

  it('by series that have become the same: an exported label is like any other', async () => {
    const { series, leftOut } = await merged([
      labelled('a', 'm{upstream="1"} 1\nm{exported_upstream="1"} 2\nm{exported_upstream="2"} 3\n'),
    ]);
    expect(series).toBe(
      '# TYPE m untyped\nm{upstream="a",exported_upstream="1"} 1\nm{upstream="a",exported_upstream="2"} 3\n',
    );
    expect(leftOut).toEqual([{ member: 'a', family: 'm', cause: 'duplicate', series: 1 }]);
  });

  it('with this filter: nobody else says which members are up', async () => {
    const lie = '# TYPE kcp_metrics_filter_upstream_up gauge\nkcp_metrics_filter_upstream_up 0\n';
    const conflict = '# TYPE kcp_metrics_filter_upstream_up counter\nkcp_metrics_filter_upstream_up 0\n';
    const { text, leftOut } = await merged([labelled('a', lie), labelled('b', conflict)]);
    expect(text.match(/_up\{.*/g)).toEqual(['_up{upstream="a"} 1', '_up{upstream="b"} 1']);
    expect(leftOut.map(({ member: of, cause }) => [of, cause])).toEqual([
      ['b', 'conflict'],
      ['a', 'duplicate'],
    ]);
  });

  it('with another merging filter behind it: both say who is up', async () => {
    const inner = (await merged([labelled('x', gauge('1'))])).text;
    const { text, leftOut } = await merged([labelled('a', inner)]);
    expect(text.match(/_up\{.*/g)).toEqual([
      '_up{upstream="a"} 1',
      '_up{upstream="a",exported_upstream="x"} 1',
    ]);
    expect(leftOut).toEqual([]);
  });
});

describe('what an idle kcp shard serves, merged with itself', () => {
  it('is whole, and read again the same', async () => {
    const recorded = recordedShardMetrics();
    const { text, leftOut } = await merged([labelled('a', recorded), labelled('b', recorded)]);
    const [of, from] = [await partsOf([Buffer.from(text)]), await partsOf([recorded])];
    expect(familiesRead(of).slice(0, -2)).toEqual(familiesRead(from));
    expect(text.split('\n').filter((line) => /^[^#].*upstream="a"/.test(line))).toHaveLength(
      recorded
        .toString()
        .split('\n')
        .filter((line) => /^[^#]/.test(line)).length + 2,
    );
    expect(leftOut).toEqual([]);
  });

  it('without a label is what it was', async () => {
    const recorded = recordedShardMetrics().toString();
    const lines = recorded.split('\n').filter((line) => /^[^#]/.test(line));
    const { series, leftOut } = await merged([member('a', recorded), member('b', recorded)]);
    expect(series).toBe(recorded);
    expect(leftOut.reduce((sum, of) => sum + of.series, 0)).toBe(lines.length);
  });

  const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
  it.skipIf(!hasPromtool)('has nothing against it that promtool had not before', async () => {
    const complaints = (text: string | Buffer): readonly string[] => {
      const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text });
      return `${stdout.toString()}${stderr.toString()}`.split('\n').sort();
    };
    const recorded = recordedShardMetrics();
    const { text } = await merged([labelled('a', recorded), labelled('b', recorded)]);
    expect(complaints(text)).toEqual(complaints(recorded));
  });
});

describe('the options of a merged exposition', () => {
  const exposition = fixedExposition({ contentType: 'text/plain', body: '' });
  const of = (...names: readonly string[]): MergedExpositionOptions['members'] =>
    names.map((name) => ({ name, exposition }));
  it.each<[MergedExpositionOptions, RegExp]>([
    [{ members: [] }, /^members: pass at least one$/],
    [{ members: of('a', 'a') }, /^members: two are called "a"$/],
    [{ members: of('') }, /^members: a name must be /],
    [{ members: of('a"b') }, /^members: a name must be /],
    [{ members: of('a'.repeat(64)) }, /^members: a name must be /],
    [{ members: [{ name: 'a', exposition, labels: { le: '1' } }] }, /^members: "le" belongs to /],
    [{ members: [{ name: 'a', exposition, labels: { __name__: '1' } }] }, /^members: "__name__" is reserved/],
    [{ members: [{ name: 'a', exposition, labels: { 'a-b': '1' } }] }, /^members: "a-b" is no label name$/],
    [{ members: [{ name: 'a', exposition, labels: { b: '' } }] }, /^members: "b" needs a value of 1 to 1024/],
    [{ members: [{ name: 'a', exposition, labels: { b: '\ud800' } }] }, /^members: "b" needs a value/],
    [{ members: of('a'), timeoutMs: 0 }, /^timeoutMs: /],
    [{ members: of('a'), timeoutMs: Infinity }, /^timeoutMs: /],
    [{ members: of('a'), maxHeldBytes: 0.5 }, /^maxHeldBytes: /],
    [{ members: of('a'), maxBytesAhead: 0 }, /^maxBytesAhead: /],
  ])('%#: are checked when it is made', (options, message) => {
    expect(() => mergedExposition(options)).toThrow(message);
  });
});
