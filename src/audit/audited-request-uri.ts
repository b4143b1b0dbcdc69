import { originForm } from '../paths/request-target.js';
import { cutTo } from './audited-text.js';

const maxLength = 1024;
/** Nothing in it that begins a query or a fragment, or is not itself. */
const isPlain = /^[\x21\x22\x24\x26-\x3e\x40-\x7e]*$/;
/** A `?` may be encoded: some reader behind may decode it. */
const queryMark = /\?|%3f/i;
const fragmentMark = /#|%23/i;
const separator = /([&;]|%26|%3b)/i;
const assignment = /=|%3d/i;
const secretName = /token|pass|pwd|secret|key|auth|cred|sig|session|jwt|bearer|code|assertion|ticket/i;
/** Three or more runs of base64url: a JSON Web Token, whatever its name is. */
const tokenShape = /[\w-]{8,}\.[\w-]{8,}\.[\w-]*/;
/** Longer than a name or a number that a person chose; keys and tokens are. */
const maxValueLength = 128;

/**
 * A request target for the audit log: without scheme and authority, its query with the values left out that may
 * be secrets. kube-apiserver logs a query whole; here nobody has to send one, so what stands in it is a mistake
 * as likely as not.
 */
export function auditedRequestUri(target: string): string {
  const uri = originForm(target);
  if (isPlain.test(uri)) return cutTo(uri, maxLength);
  // Nothing beyond a fragment is ever meant for a server.
  const [sent = ''] = uri.split(fragmentMark, 1);
  const mark = queryMark.exec(sent);
  if (mark === null) return cutTo(inAscii(sent), maxLength);
  const queryAt = mark.index + mark[0].length;
  return cutTo(inAscii(sent.slice(0, queryAt) + withoutSecrets(sent.slice(queryAt))), maxLength);
}

function withoutSecrets(query: string): string {
  return query
    .split(separator)
    .map((part, at) => (at % 2 === 1 ? part : withoutSecret(part)))
    .join('');
}

function withoutSecret(parameter: string): string {
  const mark = assignment.exec(parameter);
  const name = mark === null ? parameter : parameter.slice(0, mark.index);
  const value = mark === null ? '' : parameter.slice(mark.index + mark[0].length);
  if (isSecretLike(name)) return 'REDACTED';
  return value !== '' && (isSecretName(name) || isSecretLike(value)) ? `${name}=REDACTED` : parameter;
}

/** Names may be encoded, and more than once on their way through proxies. */
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

/** Percent-encoded, as a client should have sent it: Node hands over raw bytes as Latin-1. */
function inAscii(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, (character) => {
    const code = character.charCodeAt(0);
    const bytes = Buffer.from(character, code > 0xff ? 'utf8' : 'latin1');
    return `%${bytes.toString('hex').toUpperCase().match(/../g)?.join('%') ?? ''}`;
  });
}
