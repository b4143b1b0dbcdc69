import { describe, expect, it } from 'vitest';
import { authenticationFinding } from '../../../src/cli/doctor/callers.js';
import { gatewayFindings, scrapersFinding, type Granted } from '../../../src/cli/doctor/scrapers.js';
import type { GivenOptions } from '../../../src/options/option.js';
import type { Subject } from '../../../src/policy/objects.js';
import { binding, policyOfLayers, prometheus, role } from './policies.js';

const all: GivenOptions = { authenticationKubeconfig: 'in-cluster' };
const strangersOnly: GivenOptions = {};
const withoutGroups: GivenOptions = { ...all, authorizationAlwaysAllowGroups: [] };
const monitoring: Subject = { kind: 'Group', name: 'system:monitoring' };
const anonymous: Subject = { kind: 'User', name: 'system:anonymous' };
const unmatched: Subject = { kind: 'ServiceAccount', name: 'prometheus' };
const nobody = { scrapers: [], administrators: [] };
const granted = (...scrapers: readonly Subject[]): Granted => ({ scrapers, administrators: [monitoring] });
const many = Array.from({ length: 7 }, (_, at): Subject => ({ kind: 'User', name: `u${at % 6}` }));

describe('who may scrape', () => {
  const refused = 'is granted to no one, so every scrape would be refused:';
  /** The finding's level and message. */
  const rows: readonly (readonly [what: string, GivenOptions, Granted | undefined, said: RegExp])[] = [
    ['a user that was bound', all, granted(prometheus), /^ok: is granted to User "prometheus"$/],
    [
      'administrators alone',
      all,
      granted(),
      /^warning: is granted only to Group "system:masters", Group "system:monitoring": .* rbac\/prometheus-user\.yaml/,
    ],
    [
      'a subject that nobody is',
      all,
      { ...nobody, scrapers: [unmatched] },
      /^warning: is granted only to Group "system:masters"/,
    ],
    ['nobody', withoutGroups, nobody, RegExp(`^error: ${refused} .*metrics-reader`)],
    [
      'nobody, since nobody can authenticate',
      strangersOnly,
      granted(prometheus),
      RegExp(`^error: ${refused} configure --client-ca-file`),
    ],
    [
      'strangers',
      strangersOnly,
      { ...nobody, scrapers: [anonymous] },
      /^ok: is granted to User "system:anonymous"$/,
    ],
    ['everybody', { ...all, ignorePaths: ['/metrics'] }, nobody, /^warning: is in --ignore-paths: anyone/],
    [
      'a cache server',
      all,
      undefined,
      /^ok: is granted to Group "system:masters", because there is no policy$/,
    ],
    [
      'a cache server without groups',
      withoutGroups,
      undefined,
      RegExp(`^error: ${refused} .*always-allow-groups`),
    ],
    [
      'everybody, since the always-allowed paths have it',
      { ...all, authorizationAlwaysAllowPaths: ['/metrics'] },
      nobody,
      /^warning: is in --authorization-always-allow-paths: anyone/,
    ],
    [
      'whoever a review server allows',
      { ...withoutGroups, authorizationKubeconfig: 'in-cluster' },
      nobody,
      /^ok: is granted to nobody here, and to clients that the review server allows$/,
    ],
    ['many', all, { ...nobody, scrapers: many }, /^ok: is granted to User "u0", .*User "u4" and 1 more$/],
  ];
  it.each(rows)('%s', (_, flags, of, said) => {
    const { level, message, ...finding } = scrapersFinding(flags, flags, of);
    expect(finding).toEqual({ check: 'scrapers', subject: 'GET /metrics' });
    expect(`${level}: ${message}`).toMatch(said);
  });
});

describe('authentication', () => {
  it.each([
    [['--client-ca-file'], true, 'ok', /is anonymous$/],
    [['--client-ca-file', '--token-auth-file'], false, 'ok', /is refused with 401$/],
    [[], true, 'warning', /^every client is anonymous: configure --client-ca-file/],
    [[], false, 'error', /^nobody can authenticate, and --anonymous-auth=false/],
  ])('with %j, anonymous: %s', (methods, isAnonymous, level, message) => {
    const callers = { serviceAccounts: true, authenticated: methods.length > 0, anonymous: isAnonymous };
    expect(authenticationFinding(methods, callers)).toMatchObject({
      level,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('paths of the gateway', () => {
  const policy = policyOfLayers({
    directory: [
      role('writer', ['post,put', '/push,/api/v1/push']),
      role('reader', ['get', '/api/*']),
      binding('writers', 'writer'),
      binding('readers', 'reader'),
    ],
    bootstrap: [role('admin', ['*', '*']), binding('admins', 'admin')],
  });

  it.each<readonly [string, string, RegExp]>([
    ['/push', 'ok', /^is granted for post, put$/],
    ['/api/v1/push', 'ok', /^is granted for post, put$/],
    [
      '/other',
      'warning',
      /^no rule grants it, so clients are answered 403: bind a ClusterRole that grants it, with/,
    ],
    [
      '/api/v1/query',
      'warning',
      /bind a ClusterRole that names this very path, no prefix of it, with verb post$/,
    ],
  ])('%s: %s', (path, level, message) => {
    const [found, ...others] = gatewayFindings({ gatewayPath: [`${path}=http://127.0.0.1`] }, policy);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      level,
      subject: `--gateway-path ${path}`,
      message: expect.stringMatching(message) as string,
    });
  });

  it('is left to the API server where that is asked', () => {
    const given = { gatewayPath: ['/other=http://127.0.0.1'], authorizationKubeconfig: 'in-cluster' };
    expect(gatewayFindings(given, policy)).toEqual([]);
  });
});
