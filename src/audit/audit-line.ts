import type { Identity } from '../authentication/identity.js';
import type { AuditEvent } from './audit-event.js';
import { cutTo } from './audited-text.js';
import { microTime } from './micro-time.js';

/** No line is longer. Only identities of thousands of bytes would make one. */
export const maxAuditLineBytes = 64 * 1024;

/** What is left of long parts then. */
const maxTextLength = 1024;
const maxGroups = 16;
const maxGroupLength = 256;

/** What Go escapes, and beyond that what terminals would take for commands. */
const escaped = /[<>&\u007f-\u009f\u2028\u2029]/g;

/**
 * An event as one line of kube-apiserver's audit log, with its line end: `audit.k8s.io/v1`, level Metadata, keys in
 * the order of the Go struct, empty ones left out.
 */
export function auditLine(event: AuditEvent): string {
  const line = written(event);
  return Buffer.byteLength(line) <= maxAuditLineBytes ? line : written(truncated(event));
}

/** Piece by piece: to gather an object first would take twice as long. */
function written(event: AuditEvent): string {
  const { identity, sourceIps, userAgent = '', annotations } = event;
  return (
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":${json(event.auditId)}` +
    `,"stage":"ResponseComplete","requestURI":${json(event.requestUri)},"verb":${json(event.verb)}` +
    `,"user":${identity === undefined ? '{}' : jsonOf(identity)}` +
    (sourceIps.length === 0 ? '' : `,"sourceIPs":${json(sourceIps)}`) +
    (userAgent === '' ? '' : `,"userAgent":${json(userAgent)}`) +
    `,"responseStatus":${json(statusOf(event))}` +
    `,"requestReceivedTimestamp":"${microTime(event.received)}","stageTimestamp":"${microTime(event.completed)}"` +
    (isEmpty(annotations) ? '' : `,"annotations":${json(annotations)}`) +
    '}\n'
  );
}

function json(value: unknown): string {
  return JSON.stringify(value).replace(escaped, escape);
}

/** Of an identity that was remembered: the same scraper comes again and again. */
const known = new WeakMap<Identity, string>();

function jsonOf(identity: Identity): string {
  let text = known.get(identity);
  if (text === undefined) {
    text = json(userOf(identity));
    known.set(identity, text);
  }
  return text;
}

function userOf({ name, uid, groups, extra }: Identity): object {
  return {
    username: name === '' ? undefined : name,
    uid: uid === '' ? undefined : uid,
    groups: groups.length === 0 ? undefined : groups,
    extra: isEmpty(extra) ? undefined : extra,
  };
}

function statusOf({ code, failure, isClosedEarly }: AuditEvent): object {
  // kube-apiserver's words for a request that got no answer.
  if (isClosedEarly)
    return { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 };
  if (failure === undefined) return { metadata: {}, code };
  const { message, reason, hasDetails } = failure;
  const details = hasDetails ? {} : undefined;
  return { metadata: {}, status: 'Failure', message, reason, details, code };
}

/** Marked as kube-apiserver's truncating backend does it. */
function truncated(event: AuditEvent): AuditEvent {
  const { identity, failure, annotations } = event;
  const kept = Object.entries(annotations).map(([key, text]) => [key, cutTo(text, maxTextLength)] as const);
  return {
    ...event,
    ...(identity === undefined ? {} : { identity: shortened(identity) }),
    ...(failure === undefined
      ? {}
      : { failure: { ...failure, message: cutTo(failure.message, maxTextLength) } }),
    annotations: { ...Object.fromEntries(kept), 'audit.k8s.io/truncated': 'true' },
  };
}

function shortened({ name, uid, groups }: Identity): Identity {
  return {
    name: cutTo(name, maxTextLength),
    ...(uid === undefined ? {} : { uid: cutTo(uid, maxGroupLength) }),
    groups: groups.slice(0, maxGroups).map((group) => cutTo(group, maxGroupLength)),
    extra: {},
  };
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false;
  return true;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
