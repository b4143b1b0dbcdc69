import { describe, expect, it } from 'vitest';
import { rootBinding } from './root-objects.js';
import { decodeBinding, type RootBinding } from '../../src/replication/root-objects.js';
import { ObjectTable } from '../../src/replication/root-follower.js';

const binding = (resourceVersion: string, uid = 'u'): RootBinding => ({
  ...rootBinding('b', 'own'),
  resourceVersion,
  uid,
});

interface Counted {
  readonly table: ObjectTable<RootBinding>;
  readonly told: string[];
}

function counted(): Counted {
  const told: string[] = [];
  const table = new ObjectTable(decodeBinding, {
    onChange: () => told.push('change'),
    onLost: (reason) => told.push(reason),
  });
  return { table, told };
}

describe('what is known of a kind', () => {
  it.each<[known: RootBinding, news: RootBinding, isNews: boolean]>([
    [binding('9'), binding('10'), true],
    [binding('10'), binding('9'), false],
    [binding('10'), binding('9', 'another'), true],
    [binding('b'), binding('a'), true],
  ])('%#: news from before a patch is none', async (known, news, isNews) => {
    const { table } = counted();
    await table.replace([known]);
    table.set(news);
    expect(table.items.get('b')).toBe(isNews ? news : known);
  });

  it('is in step from the list on, until it is lost', async () => {
    const { table, told } = counted();
    expect([table.isListed, table.isInStep]).toEqual([false, false]);
    await table.replace([]);
    table.live();
    expect([table.isListed, table.isInStep]).toEqual([true, true]);
    table.lost('503');
    expect([table.isListed, table.isInStep]).toEqual([true, false]);
    expect(told).toEqual(['change', 'change', '503']);
  });

  it('forgets what is deleted, and what a later list does not hold', async () => {
    const { table, told } = counted();
    table.set(binding('1'));
    table.delete('b');
    table.delete('b');
    expect(told).toEqual(['change', 'change']);
    table.set(binding('2'));
    await table.replace([]);
    expect(table.items.size).toBe(0);
  });
});
