import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import * as library from '../src/index.js';
import * as server from '../src/server-exports.js';

type Call = (...values: readonly unknown[]) => unknown;

/** Every function that applications import, by name; a class is called by `new` or its `open`. */
const functions = new Map<string, Call>(
  Object.entries({ ...library, ...server }).flatMap(([name, value]): [string, Call][] => {
    if (typeof value !== 'function') return [];
    const made = value as unknown as Call & { open?: Call } & (new (
        ...values: readonly unknown[]
      ) => unknown);
    if (made.open !== undefined) return [[name, made.open.bind(made)]];
    const isConstructor = /^[A-Z]/.test(name);
    return [[name, isConstructor ? (...values) => new made(...values) : made]];
  }),
);

/** Take anything, or nothing. */
const unchecked: Readonly<Record<string, string>> = {
  CodedError: 'a base class',
  MetricsFilterOptionError: 'an error',
  PolicyUnavailableError: 'an error',
  NoTenantError: 'an error',
  TooManyScrapesError: 'an error',
  KubernetesClientMissingError: 'an error',
  bootstrapPolicy: 'takes nothing',
  RefusalTally: 'a clock, for tests',
};
/** May be called without an argument. */
const withoutArguments = ['RenderingLimit'];
/** All of its options may be left out. */
const withoutOptions = ['RenderingLimit', 'workersExposition'];
/** The arguments before the options. */
const before: Readonly<Record<string, readonly unknown[]>> = {
  limitHandshakes: [{ on: () => undefined, listen: () => undefined }],
  filteredExposition: [library.registriesExposition({ registries: [new Registry()] })],
};

/** What a call throws, or rejects with. */
async function thrownBy(call: Call, values: readonly unknown[]): Promise<unknown> {
  try {
    await call(...values);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('what applications import checks its arguments', () => {
  const checked = [...functions].filter(([name]) => unchecked[name] === undefined);

  it('all of them, but for those that take anything', () => {
    expect(checked.length).toBeGreaterThan(50);
    expect(Object.keys(unchecked).filter((name) => !functions.has(name))).toEqual([]);
  });

  const bad: readonly (readonly [string, readonly unknown[]])[] = [
    ['nothing', []],
    ['a string', ['tokens.csv']],
    ['{}', [{}]],
    ['null', [null]],
    ['a number', [7]],
    ['a function', [() => undefined]],
  ];
  for (const [what, values] of bad) {
    it.each(
      checked
        .filter(([name]) => what !== 'nothing' || !withoutArguments.includes(name))
        .filter(([name]) => !(what === '{}' && withoutOptions.includes(name)))
        // It takes a function.
        .filter(([name]) => !(what === 'a function' && name === 'audit'))
        .map(([name, call]) => [name, call] as const),
    )(`%s, given ${what}`, async (_name, call) => {
      const error = await thrownBy(call, values);
      expect(error).toBeInstanceOf(library.CodedError);
      const { code, message } = error as library.CodedError;
      expect(code).toMatch(/^ERR_/);
      // Names what to mend.
      expect(message).toMatch(/^[a-z][A-Za-z]*(?:\[\d\])?: \S/);
      expect(message).not.toContain('tokens.csv');
    });
  }

  it.each(Object.entries(before))('%s, behind its first argument', async (name, first) => {
    expect(await thrownBy(functions.get(name) ?? (() => undefined), [...first, 'x'])).toMatchObject({
      code: 'ERR_OPTION_OPTIONS',
    });
  });

  it.each<[string, object, string]>([
    ['tokenFileAuthenticator', { text: 7, file: 'x' }, 'text'],
    ['clientCertificateAuthenticator', { verifier: {} }, 'verifier'],
    ['authenticate', { authenticators: [{ name: 'x' }] }, 'authenticators'],
    ['authenticate', { authenticators: [], anonymous: 'false' }, 'anonymous'],
    ['authenticate', { authenticators: [], onUnauthenticated: 'x' }, 'onUnauthenticated'],
    ['authorize', { authorizers: [], scopedPaths: 'all' }, 'scopedPaths'],
    ['rbacAuthorizer', { policy: {} }, 'policy'],
    ['rbacAuthorizer', { policy: { policy: {} } }, 'policy'],
    ['openPolicy', { sources: [{}] }, 'sources'],
    ['openPolicy', { sources: [], fallbacks: {} }, 'fallbacks'],
    ['upstreamExposition', { url: 'http://a', timeoutMs: '10s' }, 'timeoutMs'],
    ['serveExposition', { expositions: new Map(), deadlineMs: -1 }, 'deadlineMs'],
  ])('%s, given %j: %s', async (name, options, option) => {
    expect(await thrownBy(functions.get(name) ?? (() => undefined), [options])).toMatchObject({
      option,
      code: `ERR_OPTION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`,
    });
  });

  it('rbacAuthorizer takes what openPolicy resolves to', async () => {
    const open = await library.openPolicy({ sources: [] });
    const decide = (authorizer: library.Authorizer): unknown =>
      authorizer.authorize({
        identity: { name: 'p', groups: ['system:monitoring'], extra: {} },
        verb: 'get',
        path: '/metrics',
      });
    expect(decide(library.rbacAuthorizer({ policy: open }))).toMatchObject({ decision: 'allow' });
    expect(decide(library.rbacAuthorizer({ policy: open.policy }))).toMatchObject({ decision: 'allow' });
    await open.close();
  });
});
