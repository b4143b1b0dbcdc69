import type { Identity } from '../authentication/identity.js';
import { originForm } from '../paths/request-target.js';
import type { AuditEvent } from './audit-event.js';
import { anObject, checkArgument } from '../option-checks.js';

/** The longest line. Only identities of thousands of bytes come near it. */
export const maxAuditLineBytes = 64 * 1024;

/** Bounds of the parts, used for a line that would be too long. */
const maxTextLength = 1024;
const maxGroups = 16;
const maxGroupLength = 256;

/** Characters that Go escapes, and those that a terminal could take for commands. */
const escaped = /[<>&\u007f-\u009f\u2028\u2029]/g;

/**
 * An event as one line of kube-apiserver's audit log, with its line end: `audit.k8s.io/v1`, level Metadata, keys in
 * the order of the Go struct, empty ones left out.
 */
export function auditLine(event: AuditEvent): string {
  checkArgument('event', event, anObject('an AuditEvent', 'auditId', 'received', 'completed'));
  const line = written(event);
  return Buffer.byteLength(line) <= maxAuditLineBytes ? line : written(shortened(event));
}

/** Written piece by piece: building an object first takes twice as long. */
function written(event: AuditEvent): string {
  const { identity, sourceIps, userAgent = '', annotations } = event;
  return (
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":${json(event.auditId)}` +
    `,"stage":"ResponseComplete","requestURI":${json(event.requestUri)},"verb":${json(event.verb)}` +
    `,"user":${identity === undefined ? '{}' : userOf(identity)}` +
    (sourceIps.length === 0 ? '' : `,"sourceIPs":${json(sourceIps)}`) +
    (userAgent === '' ? '' : `,"userAgent":${json(userAgent)}`) +
    `,"responseStatus":${json(statusOf(event))}` +
    `,"requestReceivedTimestamp":"${microTime(event.received.getTime())}","stageTimestamp":"${microTime(event.completed.getTime())}"` +
    (isEmpty(annotations) ? '' : `,"annotations":${json(annotations)}`) +
    '}\n'
  );
}

function json(value: unknown): string {
  return JSON.stringify(value).replace(
    escaped,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Remembered, since a scraper keeps the same identity object. */
const users = new WeakMap<Identity, string>();

function userOf(identity: Identity): string {
  const known = users.get(identity);
  if (known !== undefined) return known;
  const { name, uid, groups, extra } = identity;
  const text = json({
    username: name === '' ? undefined : name,
    uid: uid === '' ? undefined : uid,
    groups: groups.length === 0 ? undefined : groups,
    extra: isEmpty(extra) ? undefined : extra,
  });
  users.set(identity, text);
  return text;
}

function statusOf({ code, failure, isClosedEarly }: AuditEvent): object {
  // kube-apiserver's words for a request that got no answer.
  if (isClosedEarly)
    return { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 };
  if (failure === undefined) return { metadata: {}, code };
  const { message, reason, hasDetails } = failure;
  return { metadata: {}, status: 'Failure', message, reason, details: hasDetails ? {} : undefined, code };
}

/** Marked as by kube-apiserver's truncating backend. */
function shortened(event: AuditEvent): AuditEvent {
  const { identity, failure, annotations } = event;
  const kept = Object.entries(annotations).map(([key, text]) => [key, cutTo(text, maxTextLength)] as const);
  return {
    ...event,
    identity: identity && {
      name: cutTo(identity.name, maxTextLength),
      uid: cutTo(identity.uid ?? '', maxGroupLength),
      groups: identity.groups.slice(0, maxGroups).map((group) => cutTo(group, maxGroupLength)),
      extra: {},
    },
    failure: failure && { ...failure, message: cutTo(failure.message, maxTextLength) },
    annotations: { ...Object.fromEntries(kept), 'audit.k8s.io/truncated': 'true' },
  };
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false;
  return true;
}

/** A text, cut and marked as kube-apiserver cuts a User-Agent. */
export function cutTo(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}...TRUNCATED`;
}

let lastSecond = NaN;
let lastText = '';

/** Kubernetes' MicroTime: RFC 3339 in UTC with six digits, of which this clock has three. */
function microTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  // Many events share a second, and formatting a date costs as much as the rest of an event.
  if (second !== lastSecond) {
    lastText = new Date(ms).toISOString().slice(0, -'000Z'.length);
    lastSecond = second;
  }
  return `${lastText}${String(ms - second * 1000).padStart(3, '0')}000Z`;
}

const maxUriLength = 1024;
/** Contains nothing that begins a query or a fragment or needs encoding. */
const isPlain = /^[\x21\x22\x24\x26-\x3e\x40-\x7e]*$/;
/** A `?` may be encoded: a later reader may decode it. */
const queryMark = /\?|%3f/i;
const fragmentMark = /#|%23/i;
const separator = /[&;]|%26|%3b/gi;
const assignment = /=|%3d/i;
const secretName = /token|pass|pwd|secret|key|auth|cred|sig|session|jwt|bearer|code|assertion|ticket/i;
/** Three or more runs of base64url: a JSON Web Token, whatever the parameter is called. */
const tokenShape = /[\w-]{8,}\.[\w-]{8,}\.[\w-]*/;
/** A longer value is taken for a key or a token. */
const maxValueLength = 128;

/**
 * A request target for the audit log: without scheme and authority, and without values of its query that may be secrets.
 * kube-apiserver logs the whole query; here no client needs one, so it is probably a mistake.
 */
export function auditedRequestUri(target: string): string {
  const uri = originForm(target);
  if (isPlain.test(uri)) return cutTo(uri, maxUriLength);
  // A fragment is not meant for servers.
  const [sent = ''] = uri.split(fragmentMark, 1);
  const mark = queryMark.exec(sent);
  if (mark === null) return cutTo(inAscii(sent), maxUriLength);
  let from = mark.index + mark[0].length;
  let shown = sent.slice(0, from);
  // No further than is shown: there may be thousands of parameters.
  while (shown.length <= maxUriLength) {
    separator.lastIndex = from;
    const { 0: sign = '', index: end = sent.length } = separator.exec(sent) ?? {};
    shown += withoutSecret(sent.slice(from, end)) + sign;
    if (sign === '') break;
    from = end + sign.length;
  }
  return cutTo(inAscii(shown), maxUriLength);
}

function withoutSecret(parameter: string): string {
  const mark = assignment.exec(parameter);
  const name = mark === null ? parameter : parameter.slice(0, mark.index);
  const value = mark === null ? '' : parameter.slice(mark.index + mark[0].length);
  if (isSecretLike(name)) return 'REDACTED';
  return value !== '' && (isSecretName(name) || isSecretLike(value)) ? `${name}=REDACTED` : parameter;
}

/** Names may be encoded, by proxies even more than once. */
function isSecretName(name: string): boolean {
  let decoded = name;
  for (let times = 0; times < 3 && decoded.includes('%'); times += 1) {
    try {
      decoded = decodeURIComponent(decoded);
    } catch {
      return true;
    }
  }
  return secretName.test(decoded);
}

function isSecretLike(text: string): boolean {
  return text.length > maxValueLength || tokenShape.test(text);
}

/** Percent-encoded as the client should have sent it; Node passes on raw bytes as Latin-1. */
function inAscii(text: string): string {
  // What is not shown is not encoded; one more character says that there is more.
  return text.slice(0, maxUriLength + 1).replace(/[^\x21-\x7e]/gu, (character) => {
    const code = character.charCodeAt(0);
    const bytes = Buffer.from(character, code > 0xff ? 'utf8' : 'latin1');
    return `%${bytes.toString('hex').toUpperCase().match(/../g)?.join('%') ?? ''}`;
  });
}
