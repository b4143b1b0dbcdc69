import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodNames } from '../../../src/exposition/relabelling/label-mapping.js';
import { filteredExposition } from '../../../src/exposition/relabelling/filtered-exposition.js';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import { NotSyncedError } from '../../../src/exposition/exposition-errors.js';
import { contentTypes, filtered, fixedExposition } from './filtering.js';

/** One name is the beginning of another, of pods and of namespaces. */
const known = new Map([
  ['host/web-0', { namespace: 'default', name: 'web' }],
  ['host/web-0-x', { namespace: 'default', name: 'web-0' }],
  ['host-a/web-0', { namespace: 'billing', name: 'web' }],
]);
const podNames: PodNames = {
  find: (namespace, name) => known.get(`${namespace}/${name}`),
  unavailable: () => undefined,
};

async function mapped(labels: string, rules = {}): Promise<string> {
  const { text } = await filtered(`up{${labels}} 1\n`, { podNames, ...rules });
  return text === '' ? 'left out' : text.replace(/^up(?:\{(.*)\})? 1\n$/s, '$1');
}

describe('the labels of pods', () => {
  it.each([
    ['namespace="host",pod="web-0"', 'namespace="default",pod="web"'],
    ['pod="web-0",namespace="host"', 'pod="web",namespace="default"'],
    ['a="1",pod="web-0-x",b="2",namespace="host",c="3"', 'a="1",pod="web-0",b="2",namespace="default",c="3"'],
    ['namespace="host-a",pod="web-0"', 'namespace="billing",pod="web"'],
    ['namespace="host-a",pod="web-0-x"', 'left out'],
    ['namespace="host",pod="web-"', 'left out'],
    ['namespace="hos",pod="t/web-0"', 'left out'],
    ['namespace="host/web-0",pod=""', 'left out'],
    ['namespace="default",pod="web"', 'left out'],
    ['namespace="",pod=""', 'left out'],
    ['namespace="host"', 'left out'],
    ['pod="web-0"', 'left out'],
    ['node="host-1"', 'left out'],
    ['', 'left out'],
    ['namespace="host",pod="web-0\\n"', 'left out'],
    // A value with an escape beside them.
    ['namespace="host",pod="web-0",a="\\""', 'namespace="default",pod="web",a="\\""'],
    ['namespace="host",pod="web-0",', 'namespace="default",pod="web"'],
  ])('are both mapped, or the series is left out: {%s}', async (labels, expected) => {
    expect(await mapped(labels)).toBe(expected);
  });

  it.each([
    [
      'those of the pod described',
      'exported_namespace="host",exported_pod="web-0"',
      'exported_namespace="default",exported_pod="web"',
    ],
    [
      'and the scraped pod is not shown',
      'namespace="kube-system",pod="state-0",exported_namespace="host",exported_pod="web-0"',
      'exported_namespace="default",exported_pod="web"',
    ],
    [
      'unless it is one of them',
      'namespace="host",pod="web-0-x",exported_namespace="host",exported_pod="web-0"',
      'namespace="default",pod="web-0",exported_namespace="default",exported_pod="web"',
    ],
    [
      'not even if the scraped one is',
      'namespace="host",pod="web-0",exported_namespace="team-b",exported_pod="ledger-0"',
      'left out',
    ],
    [
      'one label may have been renamed alone',
      'namespace="kube-system",exported_namespace="host",pod="web-0"',
      'exported_namespace="default",pod="web"',
    ],
    [
      'the other as well',
      'namespace="host",exported_pod="web-0",pod="state-0"',
      'namespace="default",exported_pod="web"',
    ],
    [
      'an empty one is none',
      'namespace="host",pod="web-0",exported_namespace="",exported_pod=""',
      'namespace="default",pod="web",exported_namespace="",exported_pod=""',
    ],
  ])('count as Prometheus has renamed them: %s', async (_what, labels, expected) => {
    expect(await mapped(labels)).toBe(expected);
  });

  it('can be dropped and renamed, and stand beside a mapping of other labels', async () => {
    const labels = 'node="n1",namespace="host",pod="web-0"';
    expect(await mapped(labels, { dropLabels: ['namespace'] })).toBe('node="n1",pod="web"');
    expect(await mapped(labels, { renameLabels: { pod: 'name' } })).toBe(
      'node="n1",namespace="default",name="web"',
    );
    const labelMapping = { current: LabelMapping.of({ node: { n1: 'one' } }) };
    expect(await mapped(labels, { labelMapping })).toBe('node="one",namespace="default",pod="web"');
    expect(await mapped('namespace="host",pod="web-0"', { labelMapping })).toBe('left out');
    const exported = 'pod="state-0",exported_pod="web-0",namespace="host"';
    expect(await mapped(exported, { renameLabels: { exported_pod: 'pod' } })).toBe(
      'pod="web",namespace="default"',
    );
  });

  it('leave one series of those that two scraped pods tell', async () => {
    const series = (pod: string, value: number): string =>
      `up{namespace="kube-system",pod="${pod}",exported_namespace="host",exported_pod="web-0"} ${value}\n`;
    const { text, counts } = await filtered(series('a', 1) + series('b', 2), { podNames });
    expect(text).toBe('up{exported_namespace="default",exported_pod="web"} 1\n');
    expect(counts).toMatchObject({ kept: 1, dropped: { duplicate: 1 } });
  });

  it('are looked up line by line, and not at all while names may not be used', async () => {
    const pods = new Map(known);
    const body = (async function* lines() {
      yield Buffer.from('up{namespace="host",pod="web-0"} 1\n'.repeat(3000));
      await Promise.resolve();
      pods.clear();
      yield Buffer.from('up{namespace="host",pod="web-0"} 2\n'.repeat(3000));
    })();
    const live = { ...podNames, find: (namespace: string, name: string) => pods.get(`${namespace}/${name}`) };
    const { text } = await filtered(body, { podNames: live });
    expect(text).toContain('up{namespace="default",pod="web"} 1\n');
    expect(text).not.toContain('} 2\n');
    const unavailable = filteredExposition(
      fixedExposition({ contentType: contentTypes.text, body: 'up 1\n' }),
      { podNames: { ...podNames, unavailable: () => 'not loaded yet' } },
    );
    await expect(unavailable.render({ accept: '' })).rejects.toThrow(NotSyncedError);
  });
});

const names = ['namespace', 'pod', 'exported_namespace', 'exported_pod', 'container'] as const;
type Labels = Partial<Record<(typeof names)[number], string>>;

const value = fc.oneof(
  fc.constantFrom('host', 'host-a', 'web-0', 'web-0-x', 'secret', 'secret-ns', 'host/web-0', 'web', ''),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    'web-0"',
    '"}',
    '\\',
    'web-0\n',
    'web-0\u0000',
    'ｗeb-0',
    'web-0 # {',
    ',}',
    'host",pod="web-0',
  ),
);
const series: fc.Arbitrary<{ readonly labels: Labels; readonly order: readonly string[] }> = fc.record({
  labels: fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] }),
  order: fc.shuffledSubarray([...names], { minLength: names.length }),
});

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** What the owner may see of it, by the rules in words. */
function expectedOf(labels: Labels): Labels | undefined {
  const exportedNamespace = labels.exported_namespace ?? '';
  const exportedPod = labels.exported_pod ?? '';
  const namespaceLabel = exportedNamespace === '' ? 'namespace' : 'exported_namespace';
  const podLabel = exportedPod === '' ? 'pod' : 'exported_pod';
  const found = known.get(`${labels[namespaceLabel] ?? ''}/${labels[podLabel] ?? ''}`);
  if (found === undefined || (labels[podLabel] ?? '').includes('/')) return undefined;
  const shown: Record<string, string | undefined> = { ...labels };
  const isBothScraped = namespaceLabel === 'exported_namespace' && podLabel === 'exported_pod';
  const scraped = isBothScraped ? known.get(`${labels.namespace ?? ''}/${labels.pod ?? ''}`) : undefined;
  if (namespaceLabel !== 'namespace' && labels.namespace !== '') shown['namespace'] = scraped?.namespace;
  if (podLabel !== 'pod' && labels.pod !== '') shown['pod'] = scraped?.name;
  shown[namespaceLabel] = found.namespace;
  shown[podLabel] = found.name;
  return Object.fromEntries(Object.entries(shown).filter(([, text]) => text !== undefined));
}

describe('whatever series come', () => {
  it('the owner’s are shown under their names, and nothing of anybody else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(series, { maxLength: 12 }), async (all) => {
        const lineOf = (labels: Labels, order: readonly string[], at: number): string => {
          const present = order.filter((name): name is (typeof names)[number] => name in labels);
          const text = present.map((name) => `${name}="${escaped(labels[name] ?? '')}"`);
          return `up{${[...text, `line="${at}"`].join(',')}} 1\n`;
        };
        const body = all.map(({ labels, order }, at) => lineOf(labels, order, at)).join('');
        const expected = all.map(({ labels, order }, at) => {
          const shown = expectedOf(labels);
          return shown === undefined ? '' : lineOf(shown, order, at);
        });
        const { text } = await filtered(body, { podNames });
        expect(text).toBe(expected.join(''));
      }),
      { numRuns: 500 },
    );
  });
});
