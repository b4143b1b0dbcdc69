import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { repository } from './commands.js';
import { faultsOf, objectsIn } from './manifest-schemas.js';
import { printedManifests } from './printed-manifests.js';
import { exampleReadme, scriptWith } from './readme.js';

const folder = join(repository, 'examples/prometheus-operator');
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml') && file !== 'config.yaml');
const [, printed = ''] =
  /^for kind in (.*); do$/m.exec(scriptWith(exampleReadme('prometheus-operator'), 'for kind')) ?? [];
const kinds = printed.split(' ');

describe('the manifests for the Prometheus operator', () => {
  it('are all in the README, and printed but for one', () => {
    expect([...kinds.map((kind) => `${kind}.yaml`), 'prometheus.yaml'].sort()).toEqual(files.sort());
    for (const file of files) expect(read('README.md')).toContain(`| \`${file}\` `);
  });

  it.each(kinds)('%s.yaml is what the command prints', async (kind) => {
    const config = `--config=${join(folder, 'config.yaml')}`;
    const text = await printedManifests(kind, config, '--name=shop-metrics', '--namespace=shop');
    expect(read(`${kind}.yaml`)).toBe(text);
  });

  it('are valid', () => {
    expect(faultsOf(files.flatMap((file) => objectsIn(read(file))))).toEqual([]);
  });

  it('would not be with a field that is misspelt', () => {
    const wrong = read('servicemonitor.yaml').replaceAll('tlsConfig:', 'tlsconfig:');
    expect(faultsOf(objectsIn(wrong)).join()).toMatch(/"tlsconfig"' does not exist/);
    const wrongRole = read('clusterrolebinding.yaml').replace('verbs:', 'verb:');
    expect(faultsOf(objectsIn(wrongRole)).join()).toMatch(/verbs/);
  });

  it('fit together: Prometheus selects the monitors, and has the class and the token that they name', () => {
    const prometheus = objectsIn(read('prometheus.yaml')).find(({ kind }) => kind === 'Prometheus');
    const monitor = parse(read('servicemonitor.yaml')) as {
      readonly metadata: { readonly labels: object };
      readonly spec: { readonly scrapeClass: string };
    };
    const commented = read('servicemonitor.yaml').match(/^#( {3}.*)$/gm) ?? [];
    const wanted = parse(commented.map((line) => line.slice(3)).join('\n')) as object;
    expect(prometheus).toMatchObject({
      ...wanted,
      spec: {
        serviceAccountName: 'prometheus',
        // Whichever of the three is taken: without a selector, none of its kind would be.
        serviceMonitorSelector: { matchLabels: monitor.metadata.labels },
        podMonitorSelector: { matchLabels: monitor.metadata.labels },
        scrapeConfigSelector: { matchLabels: monitor.metadata.labels },
        ruleSelector: { matchLabels: monitor.metadata.labels },
        scrapeClasses: [{ name: monitor.spec.scrapeClass }],
      },
    });
    expect(prometheus).toMatchObject(wanted);
  });
});
