import { createRequire } from 'node:module';
import express from 'express';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPathClassifier, type PathClassification, type ServerKind } from '../../src/paths/classify.js';
import { leadsToShardLevel } from './readers.js';
import { anyCharacter } from '../support/any-character.js';
import { words } from '../support/words.js';

// Express 4 under another name brings no types of its own.
const express4 = createRequire(import.meta.url)('express4') as typeof express;

const serverKinds: readonly ServerKind[] = ['shard', 'cache-server'];
const classifiers = {
  shard: createPathClassifier({ serverKind: 'shard', endpoints: ['/metrics'] }),
  'cache-server': createPathClassifier({ serverKind: 'cache-server', endpoints: ['/metrics'] }),
};

const part = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('/metrics', 'metrics', '/METRICS', '/Metrics/', 'slis', '/healthz', '/api/v1'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('/', '//', '///', '.', '..', '/./', '/../', '...', '\\', '/\\', '\\..\\'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...['/clusters/root', '/clusters/*', '/clusters/', '/clusters', '/clusters/root:org', '/clusters/A'],
      ...['/services/cache', '/services/cache/', '/shards/amber', '/shards/*', '/shards/', '/services'],
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...words('%2f %2F %6d %6D %252f %25252f %2e %2e%2e %5c %00 %09 %0d%0a %20'),
      ...['%', '%2', '%zz', '%c0%af', '%ff', '%e2%80%8b', '%EF%BB%BF', '%25', '%3f', '%3b', '%23', '%c3%a9'],
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...words('; ;v=1 # #x ? ?a=/metrics ?? & = : @ *'),
      ...Array.from('\0\t\r\n '),
      ...words('é + ~ " \''),
      ...Array.from('\u00a0\u200b\ufeff\u017f\u0130／\x7f\x85\xad'),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...words('http:// https://h HTTP://h:1 ws://u:p@h http: http:/ x:// h:443')),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }) },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 3 }) },
);
const assembled = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''));
/** `/metrics` with each character written in some way or other. */
const disguised = fc
  .tuple(
    fc.constantFrom(...words('http://h http:///clusters /clusters/root /services/cache /shards/a /'), ''),
    fc.array(fc.constantFrom<Way[]>('as it is', 'upper case', 'escaped', 'escaped twice'), {
      minLength: 8,
      maxLength: 8,
    }),
    fc.constantFrom('', '/', '/x', '?x', ';x', '#x', '%00', ' '),
  )
  .map(
    ([before, ways, after]) =>
      before +
      '/metrics'
        .split('')
        .map((letter, at) => written(letter, ways[at]))
        .join('') +
      after,
  );

const target = fc.oneof(
  { weight: 5, arbitrary: assembled },
  { weight: 2, arbitrary: assembled.map((text) => `/${text}`) },
  { weight: 2, arbitrary: disguised },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.webUrl({ withQueryParameters: true, withFragments: true }) },
);

/** Segments that readers resolve away in front of `metrics`, however deep they are escaped. */
const aroundCorners = fc
  .array(
    fc.tuple(
      fc.constantFrom('..', '.', '', 'x', '..;', ';x', '.\t.', '..#', '%2e.', '..%3f', 'clusters', 'root'),
      fc.constantFrom('/', '//', '\\', '%2f', '%5c', '%252f', '%25255C', '/\\', '%2F%2f'),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .chain((parts) =>
    fc
      .constantFrom(
        'metrics',
        'METRICS',
        '%6detrics',
        'metrics;v',
        'metrics%00',
        'metrics/x',
        'metric',
        'm%65trics#',
      )
      .map((last) => `/x${parts.map(([part, slash]) => slash + part).join('')}/${last}`),
  );

type Way = 'as it is' | 'upper case' | 'escaped' | 'escaped twice';

function written(letter: string, way: Way | undefined): string {
  const hex = letter.charCodeAt(0).toString(16);
  switch (way) {
    case 'upper case':
      return letter.toUpperCase();
    case 'escaped':
      return `%${hex}`;
    case 'escaped twice':
      return `%25${hex}`;
    case undefined:
    case 'as it is':
      return letter;
  }
}

/** Scheme, authority and query dropped, decoded once; undefined where that has no answer. */
function independentReading(text: string): string | undefined {
  const authorityAt = /^[a-z][a-z\d.+-]*:\/\//i.exec(text)?.[0].length;
  const afterAuthority = authorityAt === undefined ? text : text.slice(authorityAt).replace(/^[^/?#\\]*/, '');
  const [path = ''] = afterAuthority.split('?', 1);
  if (!path.startsWith('/')) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

const runs = { numRuns: 20_000 };

describe.each(serverKinds)('any request target to a %s', (serverKind) => {
  const classify = classifiers[serverKind];
  const bare = serverKind === 'shard' ? ['/metrics'] : ['/metrics', '/services/cache/metrics'];

  it('is the exposition exactly where it reads /metrics', () => {
    fc.assert(
      fc.property(target, (text) => {
        const found = classify(text);
        const isExposition = found.kind === 'shard-level' && found.path === '/metrics';
        expect(isExposition).toBe(bare.includes(independentReading(text) ?? ''));
      }),
      runs,
    );
  });

  it('is redirected, if at all, to a path of this server, and at most once', () => {
    fc.assert(
      fc.property(target, (text) => {
        const found = classify(text);
        if (found.kind !== 'redirect') return;
        expect(found.location).toMatch(/^\/(?!\/)[\x21-\x7e]*$/);
        expect(found.location).not.toContain('\\');
        expect(classify(found.location).kind).not.toBe('redirect');
        expect(new URL(found.location, 'https://this.example').host).toBe('this.example');
      }),
      runs,
    );
  });

  it('is the same with any query behind it', () => {
    fc.assert(
      fc.property(target, fc.constantFrom('?', '?a', '?/metrics', '?#'), (text, query) => {
        fc.pre(!text.includes('?') && !text.includes('#'));
        const { kind } = classify(text);
        fc.pre(text.startsWith('/') || text.includes('://'));
        expect(classify(text + query).kind).toBe(kind);
      }),
      { numRuns: 5000 },
    );
  });

  it('is never passed on where it is a shard-level path to readers of several kinds in a row', () => {
    fc.assert(
      fc.property(fc.oneof(target, aroundCorners), (text) => {
        if (isPassedOn(classify(text))) expect(leadsToShardLevel(text)).toBeUndefined();
      }),
      { numRuns: 4000 },
    );
  });

  it('is never passed on where a router takes it for /metrics', () => {
    const routers = [express, express4].flatMap((framework) => [
      framework.Router().get('/metrics', arrived),
      framework.Router().use('/metrics', arrived),
    ]);
    fc.assert(
      fc.property(target, (text) => {
        const isRouted = routers.some((router) => isDispatched(router, text));
        expect(isRouted && isPassedOn(classify(text))).toBe(false);
      }),
      runs,
    );
  });
});

describe.each(serverKinds)('a target that once was misread, to a %s', (serverKind) => {
  const classify = classifiers[serverKind];
  const onShards = serverKind === 'shard' ? ['/Metrics/..;', '/Metrics/\\..\\'] : [];

  it.each([...onShards, '/metrics/../x', '/metrics/x/../../y'])(
    '%s is not passed on, since Express dispatches it to /metrics',
    (text) => {
      expect(isDispatched(express.Router().use('/metrics', arrived), text)).toBe(true);
      expect(isPassedOn(classify(text))).toBe(false);
    },
  );

  it.each([
    ['//metrics?\\evil', '/metrics?%5Cevil'],
    ['//metrics?\u{1f600}', '/metrics?%F0%9F%98%80'],
    ['//metrics?\ud83d', '/metrics?%EF%BF%BD'],
  ])('%s leads to a plain location', (text, location) => {
    expect(classify(text)).toEqual({ kind: 'redirect', location, shardLevel: true });
  });
});

describe('the routers asked above', () => {
  const routers: [string, express.Router][] = [
    ['Express 5, get', express.Router().get('/metrics', arrived)],
    ['Express 5, use', express.Router().use('/metrics', arrived)],
    ['Express 4, get', express4.Router().get('/metrics', arrived)],
    ['Express 4, use', express4.Router().use('/metrics', arrived)],
  ];

  it.each(routers)('%s: are asked as a server asks them', (_, router) => {
    expect(
      ['/metrics', '/METRICS', '/metrics/', '/metrics?x'].map((text) => isDispatched(router, text)),
    ).toEqual([true, true, true, true]);
    expect(['/metric', '/', '/x/metrics'].some((text) => isDispatched(router, text))).toBe(false);
  });
});

/** Whether the filter leaves the target to the application behind it. */
function isPassedOn(found: PathClassification): boolean {
  return (
    found.kind === 'other' || found.kind === 'ambiguous' || (found.kind === 'redirect' && !found.shardLevel)
  );
}

function arrived(request: express.Request): void {
  (request as unknown as { arrived: boolean }).arrived = true;
}

function isDispatched(router: express.Router, url: string): boolean {
  const request = { method: 'GET', url, originalUrl: url, headers: {}, arrived: false };
  try {
    router(request as unknown as express.Request, {} as unknown as express.Response, () => undefined);
  } catch {
    // A router that gives up on a target does not serve it.
  }
  return request.arrived;
}
