import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import { auditLine, maxAuditLineBytes } from '../../src/audit/audit-line.js';
import { auditEvent } from './audited-request.js';
import { anyCharacter } from '../support/any-character.js';

/** Of a kube-apiserver 1.36, with the names and times of `auditEvent`. */
const kubernetesLine =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"3183cb3f-459f-403c-8693-3d63ef58a617","stage":"ResponseComplete","requestURI":"/metrics?a=b\\u0026c=d","verb":"get","user":{"username":"mallory","groups":["g1","system:authenticated"],"extra":{"key":["value"]}},"sourceIPs":["127.0.0.1"],"userAgent":"Prometheus/3.5.0 \\u003cscript\\u003e","responseStatus":{"metadata":{},"status":"Failure","message":"forbidden: User \\"mallory\\" cannot get path \\"/metrics\\"","reason":"Forbidden","details":{},"code":403},"requestReceivedTimestamp":"2026-11-21T14:51:59.059000Z","stageTimestamp":"2026-11-21T14:51:59.060000Z","annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}}\n';

function parsed(event: AuditEvent): Record<string, unknown> {
  return JSON.parse(auditLine(event)) as Record<string, unknown>;
}

/** Without what may be absent. */
function anonymousEvent(change: Partial<AuditEvent>): AuditEvent {
  const { auditId, received, completed, verb, path, requestUri, sourceIps, code, annotations } = auditEvent();
  const bare = { auditId, received, completed, verb, path, requestUri, sourceIps, code, annotations };
  return { ...bare, isClosedEarly: false, ...change };
}

describe('an audit event', () => {
  it('is the line that kube-apiserver writes, to the byte', () => {
    expect(auditLine(auditEvent())).toBe(kubernetesLine);
  });

  it('leaves out what is empty', () => {
    const bare = anonymousEvent({ code: 200, sourceIps: [], annotations: {} });
    const event = parsed(bare);
    expect(event).toEqual({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: bare.auditId,
      stage: 'ResponseComplete',
      requestURI: '/metrics?a=b&c=d',
      verb: 'get',
      user: {},
      responseStatus: { metadata: {}, code: 200 },
      requestReceivedTimestamp: '2026-11-21T14:51:59.059000Z',
      stageTimestamp: '2026-11-21T14:51:59.060000Z',
    });
    expect(parsed(auditEvent({ identity: { name: 'a', uid: '', groups: [], extra: {} } }))['user']).toEqual({
      username: 'a',
    });
  });

  it("of a client that did not wait for the answer says so in kube-apiserver's words", () => {
    expect(parsed(anonymousEvent({ isClosedEarly: true }))['responseStatus']).toEqual({
      metadata: {},
      status: 'Success',
      message: 'Connection closed early',
      code: 200,
    });
  });

  it('that is too long is cut, and marked as kube-apiserver marks it', () => {
    const long = '\0'.repeat(100_000);
    const identity = { name: long, uid: long, groups: Array.from({ length: 20 }, () => long), extra: {} };
    const failure = { message: long, reason: 'Forbidden', hasDetails: true };
    const event = auditEvent({ identity, failure, annotations: { a: long } });
    expect(Buffer.byteLength(auditLine(event))).toBeLessThanOrEqual(maxAuditLineBytes);
    expect(parsed(event)).toMatchObject({
      annotations: { 'audit.k8s.io/truncated': 'true' },
      user: { username: `${long.slice(0, 1024)}...TRUNCATED` },
    });
  });

  it('of any identity, message and client is one line of valid JSON, bounded, and without control characters', () => {
    const text = fc.string({ unit: anyCharacter, maxLength: 3000 });
    const anyEvent = fc.record({
      identity: fc.record({
        name: text,
        uid: text,
        groups: fc.array(text, { maxLength: 40 }),
        extra: fc.dictionary(text, fc.array(text, { maxLength: 4 }), { maxKeys: 6 }),
      }),
      requestUri: fc.string({ unit: 'grapheme-ascii', maxLength: 1036 }),
      userAgent: fc.string({ unit: anyCharacter, maxLength: 1036 }),
      failure: fc.record({ message: text, reason: fc.constant('Forbidden'), hasDetails: fc.boolean() }),
      annotations: fc.record({
        'authorization.k8s.io/decision': fc.constantFrom('allow', 'forbid'),
        'authorization.k8s.io/reason': text,
      }),
    });
    fc.assert(
      fc.property(anyEvent, (change) => {
        const line = auditLine(auditEvent(change));
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxAuditLineBytes);
        expect(line.slice(0, -1)).not.toMatch(/[\0-\x1f\x7f-\x9f\u2028\u2029<>&]/);
        const event = JSON.parse(line) as AuditLine;
        if (event.annotations['audit.k8s.io/truncated'] === undefined) {
          expect(event.user.username ?? '').toBe(change.identity.name);
          expect(event.responseStatus.message).toBe(change.failure.message);
        }
      }),
      { numRuns: 200 },
    );
  });
});

interface AuditLine {
  readonly user: { readonly username?: string };
  readonly responseStatus: { readonly message: string };
  readonly annotations: Readonly<Record<string, string>>;
}
