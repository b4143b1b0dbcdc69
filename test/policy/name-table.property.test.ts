import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf, NameTable } from '../../src/name-table.js';
import { PolicyIndex } from '../../src/policy/index/policy-index.js';

/** Few enough to come up again, of all kinds. */
const name = fc.oneof(
  fc.nat({ max: 60 }).map((number) => `system:serviceaccount:monitoring:prometheus-${number}`),
  fc.nat({ max: 20 }).map((number) => 'x'.repeat(number)),
  fc.constantFrom('', '\0', '__proto__', 'é', '\u00e9\0', '€', '\ud800', '👍'),
);

describe('a table by name', () => {
  it('holds what a Map holds, whatever is set and deleted in which space', () => {
    const change = fc.record({ name, space: fc.nat({ max: 3 }), isSet: fc.boolean() });
    type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 400, size: 'max' }), (changes) => {
        const table = new NameTable<number>(8);
        const map = new Map<string, number>();
        const keyOf = ({ name, space }: Change): string => `${space} ${name}`;
        const isAsInMap = (one: Change): boolean => table.get(one.name, one.space) === map.get(keyOf(one));
        const hasChanged = (one: Change, at: number): boolean => {
          if (one.isSet) {
            table.set(one.name, at, one.space);
            map.set(keyOf(one), at);
          } else {
            table.delete(one.name, one.space);
            map.delete(keyOf(one));
          }
          return isAsInMap(one) && table.size === map.size;
        };
        expect(changes.every(hasChanged) && changes.every(isAsInMap)).toBe(true);
      }),
    );
  });

  it('has other hashes for names that differ in any two bits, whatever the factors of this process are', () => {
    const base = 'system:group-1';
    const flipped = (bits: readonly number[]): string => {
      const codes = Array.from(base, (character) => character.charCodeAt(0));
      for (const bit of bits) codes[bit >> 4] = (codes[bit >> 4] ?? 0) ^ (1 << (bit & 15));
      return String.fromCharCode(...codes);
    };
    const bits = Array.from({ length: 16 * base.length }, (_, bit) => bit);
    const hash = hashOf(base, 0);
    const colliding = bits.flatMap((one) =>
      bits.filter((other) => one < other && hashOf(flipped([one, other]), 0) === hash),
    );
    expect(colliding).toEqual([]);
  });

  it('takes no longer for names that are written to collide', () => {
    // Of MurmurHash, these differences cancel each other, whatever its seed is.
    const parts = ['aabc', 'a\u8061\u4062c'] as const;
    const names = Array.from({ length: 2 ** 14 }, (_, number) =>
      Array.from({ length: 14 }, (_, bit) => parts[((number >> bit) & 1) as 0 | 1]).join(''),
    );
    // Two of them may have one hash by chance.
    expect(new Set(names.map((each) => hashOf(each, 0))).size).toBeGreaterThan(names.length - 10);
  });

  it('grows and shrinks', () => {
    const names = Array.from({ length: 20_000 }, (_, number) => `user-${number}`);
    const table = new NameTable<number>(8);
    const held = (): readonly number[] => names.flatMap((name) => table.get(name) ?? []);
    for (const [number, name] of names.entries()) table.set(name, number);
    expect(held()).toEqual(names.map((_, number) => number));
    for (let at = 0; at < names.length; at += 1) {
      const number = (at * 7919) % names.length;
      if (number % 100 !== 0) table.delete(`user-${number}`);
    }
    expect(held()).toEqual(names.flatMap((_, number) => (number % 100 === 0 ? number : [])));
    for (const name of names) table.delete(name);
    expect(held()).toEqual([]);
  });
});

describe('a policy index', () => {
  it('grants to users and groups from none to thousands and back', () => {
    const index = new PolicyIndex(['root']);
    const rules = [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }];
    index.apply('root', { type: 'set', object: { kind: 'ClusterRole', name: 'reader', rules } });
    const numbers = Array.from({ length: 3000 }, (_, number) => number);
    const granted = (): readonly number[] =>
      numbers.filter((number) => {
        const byName = index.find([{ name: `user-${number}`, groups: [] }], 'get', '/metrics');
        const byGroup = index.find([{ name: '', groups: [`team-${number}`] }], 'get', '/metrics');
        expect(byName?.binding).toBe(byGroup?.binding);
        return byName !== undefined;
      });
    for (const number of numbers) {
      const subjects = [
        { kind: 'User', name: `user-${number}` },
        { kind: 'Group', name: `team-${number}` },
      ] as const;
      const binding = { kind: 'ClusterRoleBinding', name: `${number}`, role: 'reader', subjects } as const;
      index.apply('root', { type: 'set', object: { ...binding, replicated: true } });
      if ([31, 32, 33, 2047, 2048, 2049].includes(number))
        expect(granted()).toEqual(numbers.slice(0, number + 1));
    }
    for (const number of numbers) {
      index.apply('root', { type: 'delete', kind: 'ClusterRoleBinding', name: `${number}` });
      if (number % 1000 === 7) expect(granted()).toEqual(numbers.slice(number + 1));
    }
    expect(granted()).toEqual([]);
  });

  it.each([
    ['no others', 0, 0],
    ['others before', 40, 0],
    ['others after', 0, 40],
  ])('grants by each of the bindings of a subject until the last is gone, with %s', (_, before, after) => {
    const index = new PolicyIndex(['root']);
    const bind = (name: string, role: string, user: string): void => {
      const subjects = [{ kind: 'User', name: user }] as const;
      const object = { kind: 'ClusterRoleBinding', name, role, subjects, replicated: true } as const;
      index.apply('root', { type: 'set', object });
    };
    const bindOthers = (count: number, prefix: string): void => {
      for (let number = 0; number < count; number += 1) bind(`${prefix}${number}`, 'a', `${prefix}${number}`);
    };
    for (const name of ['a', 'b']) {
      const rules = [{ verbs: ['get'], nonResourceURLs: [`/${name}`] }];
      index.apply('root', { type: 'set', object: { kind: 'ClusterRole', name, rules } });
    }
    const granted = (): readonly string[] =>
      ['/a', '/b'].filter((path) => index.find([{ name: 'ann', groups: [] }], 'get', path) !== undefined);
    const unbind = (name: string): readonly string[] => {
      index.apply('root', { type: 'delete', kind: 'ClusterRoleBinding', name });
      return granted();
    };
    bindOthers(before, 'early');
    bind('first', 'a', 'ann');
    bind('second', 'a', 'ann');
    bind('third', 'b', 'ann');
    bindOthers(after, 'late');
    expect(granted()).toEqual(['/a', '/b']);
    expect(unbind('first')).toEqual(['/a', '/b']);
    expect(unbind('second')).toEqual(['/b']);
    expect(unbind('third')).toEqual([]);
  });
});
