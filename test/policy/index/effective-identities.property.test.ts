import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clusterNameKey,
  effectiveIdentities,
  scopesKey,
  warrantKey,
  type Caller,
} from '../../../src/policy/index/effective-identities.js';

const cluster = fc.constantFrom('root', 'org', 'root:org', '');
const scope = fc.oneof(
  cluster.map((name) => `cluster:${name}`),
  fc.constantFrom('', 'root', 'shard:root', ' cluster:root'),
);
const scopes = fc.array(
  fc.array(scope, { maxLength: 3 }).map((values) => values.join(',')),
  { maxLength: 3 },
);
const name = fc.constantFrom(
  'ann',
  'system:anonymous',
  'system:serviceaccount:ns:bob',
  'system:serviceaccount:',
  'system:serviceaccount:org:ns:bob',
  'system:kcp:serviceaccount:org:ns:bob',
  'system:serviceaccounts',
);
const groups = fc.array(
  fc.constantFrom(
    'team',
    'system:authenticated',
    'system:unauthenticated',
    'system:cluster:root',
    'system:masters',
  ),
  { maxLength: 4 },
);

function extraWith(warrants: fc.Arbitrary<string[]>): fc.Arbitrary<Record<string, string[]>> {
  return fc.record(
    {
      [scopesKey]: scopes,
      [clusterNameKey]: fc.array(cluster, { maxLength: 2 }),
      [warrantKey]: warrants,
      other: fc.array(fc.string(), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  );
}

const broken = fc.oneof(
  fc.constantFrom('', '{', 'null', '[]', '"ann"', '7', '{}', '{"User":"ann"}', '{"user":7}', '{"user":null}'),
  fc.constantFrom(
    '{"user":"ann","groups":"team"}',
    '{"user":"ann","groups":[null]}',
    '{"user":"ann","groups":[7]}',
  ),
  fc.constantFrom('{"user":"ann","extra":[]}', '{"user":"ann","extra":{"k":"v"}}', '{"user":"ann","uid":7}'),
  fc.json(),
);

function warrantsOf(depth: number): fc.Arbitrary<string[]> {
  const below =
    depth === 0 ? fc.constant<string[]>([]) : fc.oneof(fc.constant<string[]>([]), warrantsOf(depth - 1));
  const good = fc
    .record({ user: name, groups, uid: fc.string(), extra: extraWith(below) }, { requiredKeys: ['user'] })
    .map((warrant) => JSON.stringify(warrant));
  return fc.array(fc.oneof({ weight: 3, arbitrary: good }, { weight: 1, arbitrary: broken }), {
    maxLength: 2,
  });
}

const caller: fc.Arbitrary<Caller> = fc.record({ name, groups, extra: extraWith(warrantsOf(2)) });

/** design.md, "Decision", read line by line. A set, since order and repetition decide nothing. */
function restated(outermost: Caller, root: string): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (user: string, memberships: readonly string[]): void => {
    found.add(JSON.stringify([user, [...new Set(memberships)].sort()]));
  };
  const visit = (who: Caller): void => {
    const home = who.extra[clusterNameKey] ?? [];
    const account = /^system:serviceaccount:(.*)$/s.exec(who.name)?.[1];
    const isAuthenticated = who.groups.includes('system:authenticated');
    const isHome = account === undefined || home.length === 0 || (home.length === 1 && home[0] === root);
    const mayHere = (who.extra[scopesKey] ?? []).every((value) =>
      value.split(',').includes(`cluster:${root}`),
    );
    if (isHome && mayHere) add(who.name, who.groups);
    else if (isAuthenticated)
      add('system:anonymous', ['system:authenticated', ...clusterGroupsOf(outermost)]);
    else add('system:anonymous', ['system:unauthenticated']);
    if (account !== undefined && home.length === 1) {
      const kept = isAuthenticated ? ['system:authenticated'] : [];
      // Another number of parts could read like an account of another workspace.
      const isPlain = /^[^:]+:[^:]+$/.test(account);
      const name = isPlain ? account : `:system:serviceaccount:${account}`;
      add(`system:kcp:serviceaccount:${home[0] ?? ''}:${name}`, [...kept, ...clusterGroupsOf(who)]);
    }
    for (const value of who.extra[warrantKey] ?? []) {
      const warrant = read(value);
      if (warrant === undefined) continue;
      const isAccount = warrant.name.startsWith('system:serviceaccount:');
      if (isAccount && (warrant.extra[clusterNameKey] ?? []).length === 0) continue;
      visit({ ...warrant, groups: [...warrant.groups, ...clusterGroupsOf(warrant)] });
    }
  };
  visit(outermost);
  return found;
}

function clusterGroupsOf(who: Caller): readonly string[] {
  const values = (who.extra[scopesKey] ?? []).map((value) => value.split(','));
  return (values[0] ?? [])
    .filter((one) => one.startsWith('cluster:') && values.every((value) => value.includes(one)))
    .map((one) => one.replace(/^cluster:/, 'system:cluster:'));
}

/** Go's json.Unmarshal into {user, groups, uid, extra}. */
function read(text: string): Caller | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isText = (one: unknown): boolean => one === null || one === undefined || typeof one === 'string';
  const isTexts = (one: unknown): boolean =>
    one === null || one === undefined || (Array.isArray(one) && one.every(isText));
  if (value === null) return { name: '', groups: [], extra: {} };
  if (typeof value !== 'object' || Array.isArray(value)) return undefined;
  const {
    user,
    groups: memberships,
    uid,
    extra,
  } = Object.fromEntries(Object.entries(value)) as Record<string, unknown>;
  const isExtra =
    extra === null ||
    extra === undefined ||
    (typeof extra === 'object' && !Array.isArray(extra) && Object.values(extra).every(isTexts));
  if (!isText(user) || !isText(uid) || !isTexts(memberships) || !isExtra) return undefined;
  const texts = (list: unknown): string[] => ((list ?? []) as (string | null)[]).map((one) => one ?? '');
  return {
    name: (user ?? '') as string,
    groups: texts(memberships),
    extra: Object.fromEntries(Object.entries(extra ?? {}).map(([key, list]) => [key, texts(list)])),
  };
}

function asSet(
  identities: readonly { readonly name: string; readonly groups: readonly string[] }[],
): ReadonlySet<string> {
  return new Set(identities.map((one) => JSON.stringify([one.name, [...new Set(one.groups)].sort()])));
}

describe('effective identities', () => {
  it('are those that the rules name, for any caller', () => {
    fc.assert(
      fc.property(caller, fc.constantFrom('root', 'org'), (who, root) => {
        const found = effectiveIdentities(who, root);
        expect(found).toBeDefined();
        expect(asSet(found ?? [])).toEqual(restated(who, root));
      }),
      { numRuns: 3000 },
    );
  });

  it('never hold a privileged group that nobody brought', () => {
    fc.assert(
      fc.property(caller, (who) => {
        const isBrought =
          who.groups.includes('system:masters') || JSON.stringify(who.extra).includes('system:masters');
        const isHeld =
          effectiveIdentities(who, 'root')?.some((one) => one.groups.includes('system:masters')) ?? false;
        expect(isHeld && !isBrought).toBe(false);
      }),
    );
  });

  describe('of a hostile caller', () => {
    const ann = JSON.stringify({ user: 'ann' });
    const withExtra = (extra: Record<string, string[]>): Caller => ({ name: 'mallory', groups: [], extra });
    const nested = (depth: number): string => {
      let text = '{"user":"ann"}';
      // Quoting doubles the backslashes of each level: written out, few levels fit into any header.
      for (let level = 0; level < depth; level += 1)
        text = JSON.stringify({ user: 'ann', extra: { [warrantKey]: [text] } });
      return text;
    };
    const within = (milliseconds: number, act: () => unknown): unknown => {
      // Of this process: others use the processor, too.
      const before = process.cpuUsage();
      const result = act();
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000).toBeLessThan(milliseconds);
      return result;
    };

    it.each([300, 5000, 100_000])('are none with %d warrants', (count) => {
      const many = withExtra({ [warrantKey]: Array.from({ length: count }, () => ann) });
      expect(within(1000, () => effectiveIdentities(many, 'root'))).toBeUndefined();
    });

    it('are none with warrants nested beyond the bound, and all within it', () => {
      expect(effectiveIdentities(withExtra({ [warrantKey]: [nested(15)] }), 'root')).toHaveLength(17);
      expect(
        within(1000, () => effectiveIdentities(withExtra({ [warrantKey]: [nested(17)] }), 'root')),
      ).toBeUndefined();
    });

    it('are none with a tree of warrants', () => {
      let text = ann;
      for (let level = 0; level < 8; level += 1) {
        text = JSON.stringify({ user: 'ann', extra: { [warrantKey]: [text, text] } });
      }
      expect(
        within(1000, () => effectiveIdentities(withExtra({ [warrantKey]: [text] }), 'root')),
      ).toBeUndefined();
    });

    it.each([
      ['arrays', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
      ['unclosed arrays', '['.repeat(1_000_000)],
      ['objects', `${'{"extra":'.repeat(10_000)}null${'}'.repeat(10_000)}`],
      ['extras', `{"user":"ann","extra":{"k":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`],
    ])('ignore a warrant of %s, 10,000 deep', (_, text) => {
      expect(
        within(1000, () => effectiveIdentities(withExtra({ [warrantKey]: [text] }), 'root')),
      ).toHaveLength(1);
    });

    it.each([
      ['one scope value of a megabyte', { [scopesKey]: ['cluster:root,'.repeat(80_000)] }],
      ['100,000 scope values', { [scopesKey]: Array.from({ length: 100_000 }, () => 'cluster:root') }],
      [
        '100 scope values of 1,000 clusters',
        {
          [scopesKey]: Array.from({ length: 100 }, () =>
            Array.from({ length: 1000 }, (_, at) => `cluster:c${at}`).join(','),
          ),
        },
      ],
      ['a warrant of a megabyte', { [warrantKey]: [JSON.stringify({ user: 'x'.repeat(1_000_000) })] }],
      ['10,000 broken warrants', { [warrantKey]: Array.from({ length: 10_000 }, () => '{"user":') }],
      ['100,000 cluster names', { [clusterNameKey]: Array.from({ length: 100_000 }, () => 'root') }],
    ])('are found quickly with %s', (_, extra) => {
      expect(within(2000, () => effectiveIdentities(withExtra(extra), 'root'))).toBeDefined();
    });

    it('do not come from a prototype', () => {
      const text = '{"__proto__":{"user":"ann"},"constructor":{},"user":"bob","extra":{"__proto__":["x"]}}';
      const found = effectiveIdentities(withExtra({ [warrantKey]: [text] }), 'root');
      expect(found?.map((one) => one.name)).toEqual(['mallory', 'bob']);
    });
  });
});
