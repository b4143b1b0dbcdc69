import { afterEach, describe, expect, it } from 'vitest';
import { FollowedOptionFiles } from '../../src/options/followed-option-files.js';
import { relabellingOf } from '../../src/options/relabelling-options.js';
import type { Exposition } from '../../src/exposition/exposition.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
const text = `# HELP pods Pods.
# TYPE pods gauge
pods{namespace="host-a",node="n1"} 1
pods{namespace="host-b",node="n1"} 2
# HELP nodes Nodes.
# TYPE nodes gauge
nodes 3
`;
const exposition: Exposition = {
  contentType: () => contentType,
  render: () => Promise.resolve({ contentType, body: text }),
};

const directory = temporaryDirectory();
let followed: FollowedOptionFiles;
const told: string[] = [];
const mapping = directory.write('mapping.yaml', 'labels:\n  namespace:\n    host-a: team\n');
afterEach(() => {
  followed.close();
  told.splice(0);
});

async function served(values: Readonly<Record<string, string | readonly string[]>>): Promise<string> {
  followed = new FollowedOptionFiles();
  const relabel = await relabellingOf(
    values,
    followed,
    {
      onScrape: (result, { dropped }) => told.push(`${result} ${JSON.stringify(dropped)}`),
      onFailure: ({ message }) => told.push(message),
    },
    undefined,
  );
  const { body } = await relabel(exposition).render({ accept: '' });
  if (typeof body === 'object' && Symbol.asyncIterator in body) throw new Error('small bodies come whole');
  return Buffer.from(body).toString();
}

const pods = (...series: readonly string[]): string =>
  ['# HELP pods Pods.', '# TYPE pods gauge', ...series, ''].join('\n');

describe('the flags that choose and relabel what /metrics serves', () => {
  it('leave it as it is where none is given', async () => {
    expect(await served({})).toBe(text);
    expect(told).toEqual([]);
  });

  it.each([
    [
      { keepMetrics: ['pod*'] },
      pods('pods{namespace="host-a",node="n1"} 1', 'pods{namespace="host-b",node="n1"} 2'),
    ],
    [
      { dropMetrics: ['nodes'], dropLabels: ['node'] },
      pods('pods{namespace="host-a"} 1', 'pods{namespace="host-b"} 2'),
    ],
    [
      { dropMetrics: ['nodes'], renameLabels: ['node=host', 'namespace=ns'] },
      pods('pods{ns="host-a",host="n1"} 1', 'pods{ns="host-b",host="n1"} 2'),
    ],
  ])('%j', async (values, expected) => {
    expect(await served(values)).toBe(expected);
  });

  it('serve of a mapped label only what has a mapping, and count the rest', async () => {
    expect(await served({ labelMappingFile: mapping })).toBe(pods('pods{namespace="team",node="n1"} 1'));
    expect(told).toEqual([expect.stringContaining('"no-mapping":2')]);
  });

  it('fail a scrape of more series than they allow', async () => {
    await expect(served({ maxSeries: '2' })).rejects.toThrow();
    expect(told.join()).toMatch(/2 series|series.*2/);
  });
});
