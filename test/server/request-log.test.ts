import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import { RequestLog } from '../../src/server/request-log.js';
import { anyCharacter } from '../support/any-character.js';

interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

const refusals = [{ authenticator: 'service-account', reason: 'expired at 2026-01-01T00:00:00.000Z' }];
const event: AuditEvent = {
  auditId: 'audit-1',
  received: new Date(0),
  completed: new Date(1),
  verb: 'get',
  path: '/metrics',
  requestUri: '/metrics',
  sourceIps: ['127.0.0.1'],
  refusals,
  code: 401,
  isClosedEarly: false,
  annotations: {},
};

const asked = { auditId: 'audit-1', verb: 'get', path: '/metrics', sourceIps: ['127.0.0.1'] };

function setting() {
  const lines: Line[] = [];
  const clock = { now: 1_000_000 };
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  const logger = { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') };
  const requestLog = new RequestLog(logger, () => clock.now);
  const log = {
    write: (event: AuditEvent) => {
      requestLog.listen({ kind: 'audit', event });
    },
  };
  return {
    clock,
    lines,
    log,
    write: (times: number, change: Partial<AuditEvent> = {}) => {
      for (let time = 0; time < times; time += 1) log.write({ ...event, ...change });
    },
  };
}

describe('the log of refusals', () => {
  it('tells service accounts of one name in several workspaces apart', () => {
    const { lines, write } = setting();
    const clusters = [['root'], ['org'], []];
    const verdict = {
      code: 403,
      refusals: undefined,
      failure: { reason: 'Forbidden', message: '', hasDetails: false },
    };
    for (const cluster of clusters) {
      const extra = { 'authentication.kcp.io/cluster-name': cluster };
      write(1, { ...verdict, identity: { name: 'system:serviceaccount:ns:bob', groups: [], extra } });
    }
    expect(lines.map(({ fields }) => (fields as { user?: string }).user)).toEqual([
      'system:serviceaccount:ns:bob',
      'system:kcp:serviceaccount:org:ns:bob',
      'system:serviceaccount:ns:bob',
    ]);
  });

  it.each([200, 301, 400, 403, 404, 405, 500, 501, 503])('says nothing of a %i that is no Status', (code) => {
    const { lines, write } = setting();
    write(20, { code });
    write(1);
    expect(lines).toEqual([expect.objectContaining({ fields: { ...asked, refusals } })]);
  });

  const forbidden: AuditEvent = {
    ...event,
    identity: { name: 'mallory', groups: ['g'], extra: { secret: ['s3cret'] } },
    code: 403,
    failure: { message: 'forbidden: User "mallory" …', reason: 'Forbidden', hasDetails: true },
    annotations: { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': '' },
  };

  it.each([
    ['', 'no authorizer allows it'],
    ['impersonation is not served', 'impersonation is not served'],
    ['a\n\u001b[2J\u202eb', 'a\\u{a}\\u{1b}[2J\\u{202e}b'],
    ['x'.repeat(600), `${'x'.repeat(512)}…`],
  ])('says who is not allowed what, and why: %j', (told, reason) => {
    const { lines, log } = setting();
    const annotations = { ...forbidden.annotations, 'authorization.k8s.io/reason': told };
    log.write({ ...forbidden, annotations });
    const fields = { ...asked, user: 'mallory', reason };
    expect(lines).toEqual([{ level: 'info', fields, message: 'forbidden' }]);
  });

  it('says what somebody lacks who was allowed', () => {
    const { lines, log } = setting();
    const annotations = { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': 'RBAC' };
    const failure = { message: 'the user has no tenant', reason: 'Forbidden', hasDetails: true };
    log.write({ ...forbidden, annotations, failure });
    expect(lines).toMatchObject([{ fields: { reason: 'the user has no tenant' }, message: 'forbidden' }]);
  });

  it('is short and visible, whatever a name, a path or a reason is made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 2000 }), fc.boolean(), (text, isKnown) => {
        const { lines, log } = setting();
        const refusal = { authenticator: 'oidc', reason: text };
        log.write(
          isKnown
            ? { ...forbidden, path: text, verb: text, identity: { name: text, groups: [], extra: {} } }
            : { ...event, path: text, verb: text, refusals: [refusal] },
        );
        const line = JSON.stringify(lines);
        expect(line.length).toBeLessThan(16_384);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  it('lets no stranger hide what is forbidden to others, or whose credentials were refused', () => {
    const { lines, log, write } = setting();
    write(100, { refusals: [], noCredentials: 'no credentials' });
    for (let time = 0; time < 100; time += 1) {
      log.write({ ...forbidden, identity: { name: 'system:anonymous', groups: [], extra: {} } });
    }
    log.write(forbidden);
    write(1);
    expect(lines).toHaveLength(22);
    expect(lines.slice(-2)).toMatchObject([{ fields: { user: 'mallory' } }, { fields: { refusals } }]);
  });

  const limited: Partial<AuditEvent> = {
    code: 429,
    failure: { message: 'Too many requests', reason: 'TooManyRequests', hasDetails: false },
    annotations: { 'shardpaths.kcp.io/rejected': 'too many requests by this identity' },
    identity: { name: 'prometheus', groups: ['monitoring'], extra: {} },
  };

  const limit = 'too many requests by this identity';
  it.each<[what: string, change: Partial<AuditEvent>, fields: object, message: string]>([
    ['which method had what against credentials', {}, { refusals }, 'unauthenticated'],
    [
      'why there was nothing to have anything against',
      { refusals: [], noCredentials: 'no credentials' },
      { reason: 'no credentials' },
      'unauthenticated',
    ],
    ['whose share is used up', limited, { user: 'prometheus', reason: limit }, 'too many requests'],
  ])('says %s, under the Audit-Id', (_, change, fields, message) => {
    const { lines, write } = setting();
    write(1, change);
    expect(lines).toEqual([{ level: 'info', fields: { ...asked, ...fields }, message }]);
  });

  it('says nothing of a 429 that no limit gave, nor of a 401 that no step of the guard gave', () => {
    const { lines, log, write } = setting();
    write(1, { code: 429 });
    const { refusals: told, ...others } = event;
    expect(told).toBe(refusals);
    log.write(others);
    expect(lines).toEqual([]);
  });

  it('lets no flood of one kind hide the other', () => {
    const { lines, write } = setting();
    write(100, limited);
    write(100);
    expect(lines.filter(({ message }) => message === 'unauthenticated')).toHaveLength(10);
    expect(lines).toHaveLength(20);
  });

  it('says at most ten lines a second, and in the next second’s first how many it left out', () => {
    const { clock, lines, write } = setting();
    write(1010);
    expect(lines).toHaveLength(10);
    clock.now += 999;
    write(1);
    expect(lines).toHaveLength(10);
    clock.now += 1;
    write(2);
    expect(lines).toHaveLength(12);
    expect(lines.map(({ fields }) => ('suppressed' in fields ? fields.suppressed : 0))).toEqual([
      ...Array.from({ length: 10 }, () => 0),
      1001,
      0,
    ]);
  });

  it('goes on where the clock is set back', () => {
    const { clock, lines, write } = setting();
    write(11);
    clock.now -= 3_600_000;
    write(1);
    expect(lines.at(-1)).toMatchObject({ fields: { suppressed: 1 } });
  });

  it('leaves no refusal out of lines and counts, whenever they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2500 }), fc.nat({ max: 30 })), { maxLength: 20 }),
        (bursts) => {
          const { clock, lines, write } = setting();
          const perSecond = new Map<number, number>();
          let written = 0;
          for (const [pause, count] of bursts) {
            clock.now += pause;
            const before = lines.length;
            write(count);
            written += count;
            const second = Math.floor(clock.now / 1000);
            perSecond.set(second, (perSecond.get(second) ?? 0) + lines.length - before);
          }
          expect(Math.max(0, ...perSecond.values())).toBeLessThanOrEqual(10);
          clock.now += 1000;
          write(1);
          const suppressed = lines.reduce(
            (sum, { fields }) => sum + ('suppressed' in fields ? Number(fields.suppressed) : 0),
            0,
          );
          expect(lines.length + suppressed).toBe(written + 1);
        },
      ),
    );
  });
});
