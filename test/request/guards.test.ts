import { createServer, type RequestListener } from 'node:http';
import express5 from 'express';
import express4 from 'express4';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import {
  alwaysAllow,
  audit,
  authenticate,
  authorize,
  chain,
  classifyPath,
  createPathClassifier,
  guardSteps,
  ignorePaths,
  metricsFilter,
  serveExposition,
  type AuditEvent,
  type Authenticator,
  type AuthorizeOptions,
  type Middleware,
} from '../../src/index.js';
import { zPages } from '../../src/server-exports.js';
import { filterOptions } from '../support/filter.js';

const strict = filterOptions();
/** Any authenticated user may do anything. */
const lax: AuthorizeOptions = {
  authorizers: [
    {
      name: 'Authenticated',
      authorize: ({ identity }) =>
        identity.groups.includes('system:authenticated')
          ? { decision: 'allow', reason: 'authenticated' }
          : { decision: 'no-opinion', reason: '' },
    },
  ],
};
/** Whoever asks, it is the scraper. */
const credulous: Authenticator = {
  name: 'credulous',
  authenticate: () => ({ kind: 'authenticated', identity: { name: 'scraper', groups: [], extra: {} } }),
};
const classifier = createPathClassifier({ endpoints: ['/metrics'] });
const classify = (): Middleware => classifyPath({ classifier, extent: 'shard-level' });
const laxSteps = (): Middleware => chain([authenticate(strict), authorize(lax)]);
const everything = ['*'];
const { exposition } = strict;

/** Guards that let everybody, or every user, pass to whatever stands behind them. */
const outer: readonly (readonly [string, () => readonly Middleware[]])[] = [
  ['nothing', () => []],
  ['authenticate and a lax authorize', () => [authenticate(strict), authorize(lax)]],
  ['the same in a chain', () => [laxSteps()]],
  ['the same behind a classifier', () => [chain([classify(), laxSteps()])]],
  [
    'steps of a lax guard',
    () => {
      const steps = guardSteps({ ...strict, ...lax });
      return [steps.classify, steps.authenticate, steps.authorize];
    },
  ],
  [
    'steps of a guard that always allows everything',
    () => {
      const steps = guardSteps({ ...strict, ...lax, alwaysAllowPaths: everything }, 'all');
      return [steps.audit, steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize];
    },
  ],
  ['always-allow alone', () => [classify(), alwaysAllow(everything)]],
  ['always-allow in a chain', () => [chain([classify(), alwaysAllow(everything), laxSteps()])]],
  ['ignored paths', () => [classify(), ignorePaths(['/metrics', '/*'])]],
  ['ignored paths in a chain', () => [chain([classify(), ignorePaths(['/metrics', '/*'])])]],
  [
    "ignored paths between another guard's steps",
    () => {
      const steps = guardSteps(strict);
      return [steps.classify, steps.alwaysAllow, ignorePaths(['/metrics', '/*'])];
    },
  ],
  ['an authenticator of another guard', () => [authenticate({ authenticators: [credulous] })]],
  [
    'an authenticator of other steps',
    () => [guardSteps({ ...strict, authenticators: [credulous] }).authenticate],
  ],
];

/** What guards /metrics, or /debug/state, for the scraper alone. */
const inner: readonly (readonly [string, string, () => readonly Middleware[]])[] = [
  ['metricsFilter', '/metrics', () => [metricsFilter(strict)]],
  ['authenticate and authorize', '/debug/state', () => [authenticate(strict), authorize(strict)]],
  ['the same in a chain', '/debug/state', () => [chain([authenticate(strict), authorize(strict)])]],
  [
    'steps of a guard',
    '/debug/state',
    () => {
      const steps = guardSteps(strict);
      return [steps.authenticate, steps.authorize];
    },
  ],
  [
    'all steps of a guard',
    '/metrics',
    () => {
      const steps = guardSteps({ ...strict, alwaysAllowPaths: ['/healthz'] }, 'all');
      return [steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize, steps.serve];
    },
  ],
  [
    'steps that stand alone, up to the exposition',
    '/metrics',
    () => [
      chain([
        classify(),
        alwaysAllow(['/healthz']),
        authenticate(strict),
        authorize(strict),
        serveExposition({ expositions: new Map([['/metrics', exposition]]) }),
      ]),
    ],
  ],
  [
    'z-pages behind a guard',
    '/statusz',
    () => {
      const steps = guardSteps(
        { ...strict, authorizers: [{ name: 'Scraper', authorize: onlyScraper }] },
        'all',
      );
      const pages = zPages({
        status: () => ({ version: '1', mode: 'a', startedAt: 0, authenticators: [], authorizers: [] }),
        paths: [],
      });
      return [steps.classify, steps.authenticate, steps.authorize, pages];
    },
  ],
];

function onlyScraper({ identity }: { readonly identity: { readonly name: string } }) {
  const decision = identity.name === 'scraper' ? ('allow' as const) : ('no-opinion' as const);
  return { decision, reason: '' };
}

const behind: Middleware = (_request, response) => {
  response.end('behind');
};

function bare(steps: readonly Middleware[]): RequestListener {
  const run = (at: number, ...[incoming, response]: Parameters<RequestListener>): void => {
    (steps[at] ?? behind)(incoming, response, () => {
      run(at + 1, incoming, response);
    });
  };
  return (incoming, response) => {
    run(0, incoming, response);
  };
}

const servers: readonly (readonly [string, (steps: readonly Middleware[]) => RequestListener])[] = [
  ['Express 5', (steps) => express5().use(...(steps as [Middleware]), behind)],
  ['Express 4', (steps) => express4().use(...(steps as [Middleware]), behind) as RequestListener],
  [
    'an Express router in a router',
    (steps) => {
      const [first, ...others] = steps;
      const router = express5
        .Router()
        .use('/', express5.Router().use(...([...others, behind] as [Middleware])));
      return express5().use(first ?? behind, router);
    },
  ],
  ['a bare server', bare],
];

const statusOf = async (listener: RequestListener, path: string, token?: string): Promise<number> => {
  const asked = request(createServer(listener)).get(path);
  return (await (token === undefined ? asked : asked.set('Authorization', `Bearer ${token}`))).status;
};

describe.each(servers)('in %s', (_server, serve) => {
  const cases = outer.flatMap(([front, before]) =>
    inner.map(([guard, path, steps]) => ({ front, guard, path, before, steps })),
  );

  it.each(cases)('behind $front, $guard decides for itself', async ({ path, before, steps }) => {
    const listener = serve([...before(), ...steps()]);
    expect(await statusOf(listener, path, 'scraper-token')).toBe(200);
    expect(await statusOf(listener, path, 'mallory-token')).toBe(403);
    expect(await statusOf(listener, path, 'no-such-token')).toBe(401);
    expect([401, 403]).toContain(await statusOf(listener, path));
  });
});

describe('an authorize', () => {
  it('decides once more with the identity of the steps that stand alone', async () => {
    for (const first of [chain([authenticate(strict), authorize(lax)]), laxSteps()]) {
      const app = express5().use(first, authorize(strict), behind);
      expect(await statusOf(app, '/debug/state', 'scraper-token')).toBe(200);
      expect(await statusOf(app, '/debug/state', 'mallory-token')).toBe(403);
    }
  });

  it('of a guard takes no identity but from its own authenticate', async () => {
    const steps = guardSteps(strict);
    const others: Middleware[] = [
      authenticate(strict),
      guardSteps(strict).authenticate,
      guardSteps({ ...strict, authenticators: [credulous] }).authenticate,
    ];
    for (const other of others) {
      expect(
        await statusOf(express5().use(other, steps.authorize, behind), '/debug/state', 'scraper-token'),
      ).toBe(401);
    }
    expect(
      await statusOf(
        express5().use(guardSteps(strict).authenticate, authorize(strict), behind),
        '/debug/state',
        'scraper-token',
      ),
    ).toBe(401);
  });

  it('outside of a strict guard never widens it', async () => {
    const listener = express5().use(authenticate(strict), authorize(strict), laxSteps(), behind);
    expect(await statusOf(listener, '/debug/state', 'scraper-token')).toBe(200);
    expect(await statusOf(listener, '/debug/state', 'mallory-token')).toBe(403);
  });
});

describe('always-allow', () => {
  const healthz = ['/healthz'];
  const anonymous = false;
  const ofGuard = (): readonly Middleware[] => {
    const steps = guardSteps({ ...strict, anonymous, alwaysAllowPaths: healthz }, 'all');
    return [steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize];
  };
  const besideGuard = (): readonly Middleware[] => {
    const steps = guardSteps({ ...strict, anonymous }, 'all');
    return [steps.classify, alwaysAllow(healthz), steps.authenticate, steps.authorize];
  };
  const alone = (): readonly Middleware[] => [
    classify(),
    alwaysAllow(healthz),
    authenticate({ ...strict, anonymous }),
    authorize(strict),
  ];
  const own: readonly (readonly [string, () => readonly Middleware[]])[] = [
    ['of guardSteps, one by one', ofGuard],
    ['of guardSteps, in a chain', () => [chain(ofGuard())]],
    ['beside guardSteps', besideGuard],
    ['beside guardSteps, in a chain', () => [chain(besideGuard())]],
    ['in a chain of steps that stand alone', () => [chain(alone())]],
  ];
  it.each(own)('%s lets its own guard pass', async (_name, steps) => {
    for (const [, serve] of servers) {
      const listener = serve(steps());
      expect(await statusOf(listener, '/healthz')).toBe(200);
      expect(await statusOf(listener, '/healthz', 'no-such-token')).toBe(200);
      expect(await statusOf(listener, '/debug/state')).toBe(401);
    }
  });

  it('of one guard is not that of another between whose steps it stands', async () => {
    const strictSteps = guardSteps({ ...strict, anonymous: false }, 'all');
    const laxer = guardSteps({ ...strict, alwaysAllowPaths: everything }, 'all');
    const listener = express5().use(
      strictSteps.classify,
      laxer.alwaysAllow,
      chain([alwaysAllow(everything)]),
      strictSteps.authenticate,
      strictSteps.authorize,
      behind,
    );
    expect(await statusOf(listener, '/debug/state')).toBe(401);
  });
});

it('authenticate takes no other word for anonymous than a boolean', () => {
  for (const anonymous of ['false', 'true', '', 0, null]) {
    expect(() => authenticate({ ...strict, anonymous: anonymous as never })).toThrow(
      /^anonymous: pass true or false$/,
    );
  }
});

it('authenticate that refuses leaves nobody whom an earlier one has found', async () => {
  let listener: RequestListener = () => undefined;
  const written = new Promise<AuditEvent>((resolve) => {
    const first = authenticate({ authenticators: [credulous] });
    listener = express5().use(audit(resolve), first, authenticate({ ...strict, anonymous: false }), behind);
  });
  expect(await statusOf(listener, '/debug/state', 'no-such-token')).toBe(401);
  const event = await written;
  expect(event).toMatchObject({ code: 401, refusals: [{}] });
  expect(event.identity).toBeUndefined();
  expect(event.authenticator).toBeUndefined();
});

describe('a router or a chain within a chain', () => {
  const inners: readonly (readonly [string, (steps: readonly Middleware[]) => Middleware])[] = [
    ['a chain', chain],
    [
      'a router',
      (steps) => {
        const router = express5.Router().use(...(steps as [Middleware]));
        return (incoming, response, next) => {
          router(incoming as never, response as never, next);
        };
      },
    ],
  ];
  const debug = ['/debug/*'];

  it.each(inners)('%s decides for itself, whatever the outer one always allows', async (_name, within) => {
    const listener = express5().use(
      chain([
        classify(),
        alwaysAllow(debug),
        laxSteps(),
        within([authenticate(strict), authorize(strict)]),
        behind,
      ]),
    );
    expect(await statusOf(listener, '/debug/state', 'scraper-token')).toBe(200);
    expect(await statusOf(listener, '/debug/state', 'mallory-token')).toBe(403);
  });

  it.each(inners)('%s that always allows something allows it to no other', async (_name, within) => {
    const listener = express5().use(
      chain([classify(), within([alwaysAllow(debug)]), authenticate(strict), authorize(strict), behind]),
    );
    expect(await statusOf(listener, '/debug/state', 'scraper-token')).toBe(200);
    expect(await statusOf(listener, '/debug/state', 'mallory-token')).toBe(403);
  });
});

describe('where the own authorize was left out', () => {
  const steps = guardSteps(strict, 'all');
  const pages = zPages({
    status: () => ({ version: '1', mode: 'a', startedAt: 0, authenticators: [], authorizers: [] }),
    paths: [],
  });

  it.each(outer)('behind %s, neither pages nor expositions are served', async (_name, before) => {
    const listener = bare([...before(), steps.classify, pages, steps.serve]);
    expect(await statusOf(listener, '/statusz', 'admin-token')).toBe(401);
    expect(await statusOf(listener, '/metrics', 'admin-token')).toBe(401);
  });
});

describe('the audit event of a guard', () => {
  it('says its own reason, whatever another has said', async () => {
    const events: AuditEvent[] = [];
    const filter = metricsFilter({ ...strict, onAuditEvent: (event) => events.push(event) });
    const app = express5().use(laxSteps(), filter);
    for (const [path, token] of [
      ['/metrics', 'scraper-token'],
      ['/metrics', 'mallory-token'],
    ] as const) {
      await statusOf(app, path, token);
    }
    const bad = express5().use(
      metricsFilter({
        ...strict,
        authenticators: [{ name: 'none', authenticate: () => ({ kind: 'refused', reason: 'no' }) }],
        onAuditEvent: (event) => events.push(event),
      }),
    );
    await statusOf(express5().use(laxSteps(), bad), '/metrics', 'scraper-token');
    expect(
      events.map(({ code, annotations }) => [
        code,
        annotations['authorization.k8s.io/decision'],
        annotations['authorization.k8s.io/reason'],
      ]),
    ).toEqual([
      [
        200,
        'allow',
        'RBAC: allowed by ClusterRoleBinding "scrapers" of ClusterRole "reader" to User "scraper"',
      ],
      [403, 'forbid', ''],
      [401, undefined, undefined],
    ]);
  });

  it('tells an exposition of nobody whom another guard has found', async () => {
    const users: unknown[] = [];
    const filter = metricsFilter({
      ...strict,
      alwaysAllowPaths: ['/metrics'],
      exposition: {
        contentType: () => 'text/plain',
        render: ({ user }) => {
          users.push(user);
          return Promise.resolve({ contentType: 'text/plain', body: '' });
        },
      },
    });
    await statusOf(express5().use(laxSteps(), filter), '/metrics', 'mallory-token');
    expect(users).toEqual([undefined]);
  });
});
