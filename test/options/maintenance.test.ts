import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMaintenance } from '../../src/options/maintenance-options.js';
import { UsageError } from '../../src/options/usage-error.js';
import type { Maintenance } from '../../src/request/steps/refuse-in-maintenance.js';
import { words } from '../support/words.js';

const read = (text: string): Maintenance => readMaintenance('m.yaml', Buffer.from(text));
const some = (users: readonly string[], groups: readonly string[]): Maintenance => ({
  kind: 'some',
  users: new Set(users),
  groups: new Set(groups),
});

describe('the maintenance file', () => {
  it.each(['', '\n', '  \n\t\r\n', '# until six\n', '\uFEFF', '\n  # a\n#b'])(
    'concerns everybody where it is empty, but for comments: %j',
    (text) => {
      expect(read(text)).toEqual({ kind: 'everybody' });
    },
  );

  it.each([
    ['users: [prometheus]\n', some(['prometheus'], [])],
    ['groups:\n- monitoring\n- team-a\n', some([], ['monitoring', 'team-a'])],
    ['{"users": ["a"], "groups": ["b"]}', some(['a'], ['b'])],
    ['users: [a, a]\ngroups: []\n', some(['a'], [])],
    [
      '---\nusers: ["1", "true", "system:serviceaccount:x:y"]\n',
      some(['1', 'true', 'system:serviceaccount:x:y'], []),
    ],
  ])('concerns whom it names: %j', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each([
    ['{}', /^m\.yaml:1: lists no users or groups/],
    ['users: []', /^m\.yaml:1: lists no users or groups/],
    ['users: prometheus', /^m\.yaml:1: users must be a list, not a string$/],
    ['users:', /^m\.yaml:1: users must be a list of names$/],
    ['users: {a: b}', /^m\.yaml:1: users must be a list, not an object$/],
    ['users:\n- a\n- 1\n', /^m\.yaml:3: users\[1\] must be a string, not a number$/],
    ['groups: [""]', /^m\.yaml:1: groups\[0\] must not be empty$/],
    ['groups: [[a]]', /^m\.yaml:1: groups\[0\] must be a string, not a list$/],
    ['groups: [~]', /^m\.yaml:1: groups\[0\] must not be null$/],
    ['users: [a]\nUsers: [b]\n', /^m\.yaml:2: Users: unknown field; expected users or groups$/],
    ['users: [a]\nusers: [b]\n', /^m\.yaml:2: duplicate key "users", first on line 1$/],
    ['users: [a]\n---\nusers: [b]\n', /^m\.yaml:\d: holds a second document$/],
    ['users: [a', /^m\.yaml:\d: is not YAML/],
    ['- a', /^m\.yaml:1: a document must be an object, not a list$/],
    ['secret-token', /^m\.yaml:1: a document must be an object, not a string$/],
  ])('is refused whole, by its line: %j', (text, message) => {
    expect(() => read(text)).toThrow(UsageError);
    expect(() => read(text)).toThrow(message);
  });

  it('is refused where it names more than 10,000', () => {
    const names = Array.from({ length: 10_001 }, (_, at) => `n${at}`);
    expect(() => read(JSON.stringify({ users: names }))).toThrow('m.yaml:1: names more than 10000 users');
    expect(read(JSON.stringify({ users: names.slice(1) })).kind).toBe('some');
  });

  it('is refused where it is not UTF-8', () => {
    expect(() => readMaintenance('m.yaml', Buffer.from([0x75, 0xff]))).toThrow('m.yaml:1: is not UTF-8');
  });

  it('is read, or refused by its name and line, whatever stands in it', () => {
    const piece = fc.constantFrom(
      ...words('users groups : - [ ] { } , " # a &b *b !!set ~ 1 --- << | >'),
      ' ',
      '\n',
      '\t',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
    );
    const bytes = fc.oneof(
      text.map((each) => Buffer.from(each)),
      fc.uint8Array().map((each) => Buffer.from(each)),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        try {
          const found = readMaintenance('m.yaml', content);
          if (found.kind === 'some') expect(found.users.size + found.groups.size).toBeGreaterThan(0);
          else expect(found.kind).toBe('everybody');
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect(String(error)).toMatch(/m\.yaml:\d+: [^\n]+$/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('names whom it was written with', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 5 });
    fc.assert(
      fc.property(names, names, (users, groups) => {
        fc.pre(users.length + groups.length > 0);
        expect(read(JSON.stringify({ users, groups }))).toEqual(some(users, groups));
      }),
    );
  });
});
