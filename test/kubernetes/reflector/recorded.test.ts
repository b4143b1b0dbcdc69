import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byClusterAndName, clusterOf } from '../../../src/kubernetes/json.js';
import { JsonItems } from '../../../src/kubernetes/reflector/json-items.js';
import { statusOf, type Item } from './api-objects.js';
import { inChunks } from './chunks.js';
import { expectOutcome, Following, lost } from './following.js';
import { decodeBinding, recorded, recordedList, recordedServers } from './recorded.js';
import { answer, stream } from './scripted-api-server.js';

describe.each(recordedServers)('as recorded from the %s server', (server) => {
  const bindings = recordedList(`${server}-clusterrolebindings.jsonl`);
  const names = (items: typeof bindings.items): string =>
    items.map(({ metadata: { name } }) => name).join(' ');
  const listed = [`replace ${names(bindings.items)}`, 'live'];
  const expired = recorded(`${server}-watch-expired.jsonl`);

  let following: Following;
  beforeEach(() => {
    following = new Following();
  });
  afterEach(() => following.stop());

  it('a watch-list is replaced by the next when its resourceVersion has expired', async () => {
    const watchList = recorded(`${server}-watch-list.jsonl`);
    await following.start([stream(watchList, expired), stream(watchList)], {}, { decode: decodeBinding });
    await expectOutcome(following, {
      calls: [...listed, lost('watch', '410 Expired'), ...listed],
      reports: ['watch-list success', 'watch expired', 'watch-list success'],
      requests: ['watch-list', 'watch-list'],
    });
    expect(following.sink.items.get('workspace-admin')?.value).toBe('cluster-admin');
  });

  it('a list is watched from its resourceVersion on', async () => {
    const list = recorded(`${server}-clusterrolebindings.jsonl`);
    following.server.scriptFirst(answer(200, list));
    const changes = server === 'root' ? ['set'] : ['set', 'set'];
    await following.start(
      [answer(422, statusOf(422, 'Invalid')), answer(200, list), stream(recorded(`${server}-watch.jsonl`))],
      {},
      { decode: decodeBinding },
    );
    await expectOutcome(following, {
      calls: [...listed, 'delete pmr-replicated', ...changes.map((change) => `${change} pmr-replicated`)],
      reports: ['watch-list status', 'list success'],
      requests: ['watch-list', 'list', `watch ${bindings.metadata.resourceVersion}`],
    });
  });

  it.each([1, 7, 100, 65_536])('lists split in chunks of %i bytes', (length) => {
    for (const kind of ['clusterrolebindings', 'clusterroles']) {
      const bytes = Buffer.from(recorded(`${server}-${kind}.jsonl`));
      const splitter = new JsonItems();
      const items: unknown[] = [];
      for (const chunk of inChunks(bytes, Array<number>(Math.floor(bytes.length / length)).fill(length))) {
        splitter.write(chunk);
        for (let item = splitter.next(); item !== undefined; item = splitter.next()) items.push(item);
      }
      expect({ ...Object.fromEntries(splitter.end()), items }).toEqual(JSON.parse(bytes.toString()));
    }
  });
});

describe('as recorded from all workspaces of a shard at once', () => {
  const following = new Following();
  afterEach(() => following.stop());

  it('a watch-list tells apart by logical cluster what has one name in several, and goes on as a watch', async () => {
    const watchList = recorded('wildcard-watch-list.jsonl.gz');
    const inCluster = (object: unknown): Item => {
      const { name, value } = decodeBinding(object);
      return { name: `${clusterOf(object) ?? ''}/${name}`, value };
    };
    await following.start([stream(watchList)], {}, { decode: inCluster, keyOf: byClusterAndName });
    const [replaced = '', ...rest] = await following.calls(4);
    const names = replaced.split(' ').slice(1);
    expect(names).toHaveLength(68);
    expect(names.filter((name) => name.endsWith('/workspace-admin'))).toEqual([
      '1maluawb3vkgg5ir/workspace-admin',
      '28ln1k7s9apndtq9/workspace-admin',
      'jpdg0m2x3a6csnv4/workspace-admin',
      'root/workspace-admin',
    ]);
    expect(rest).toEqual(['live', 'set jpdg0m2x3a6csnv4/ws-metrics', 'delete ws-metrics']);
    expect(following.requests).toEqual(['watch-list']);
    expect(following.observer.reports).toEqual(['watch-list success']);
  });
});
