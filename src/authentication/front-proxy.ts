import {
  none,
  requireNames,
  type Authentication,
  type Authenticator,
  type Credentials,
} from './authenticator.js';
import type { CertificateVerifier } from './certificates/certificate-verifier.js';
import { decodeHeaderValue } from './header-value.js';
import type { Identity } from './identity.js';
import { HeaderEncodingError } from './authentication-errors.js';

export interface RequestHeaderOptions {
  /** For the front proxy's own certificate. */
  readonly verifier: Pick<CertificateVerifier, 'verify'>;
  /** CNs a front proxy may have. Default: any. */
  readonly allowedNames?: readonly string[];
  /** Header names in any case, the first with a value counts. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  /** Header names in any case, all of them count. */
  readonly groupHeaders: readonly string[];
  /** What precedes the extra's key in a header's name, in any case. */
  readonly extraHeadersPrefixes: readonly string[];
  /** Told of a request that says in these headers who sends it, and comes from no front proxy: they are ignored. */
  readonly onSpoofed?: () => void;
}

type Headers = Credentials['headers'];

/**
 * Kubernetes' request-header authenticator: a front proxy that proves itself with a certificate says in
 * headers who sends the request.
 *
 * @throws RangeError for allowed names that are none, and for a blank name of a header.
 */
export function requestHeaderAuthenticator({
  verifier,
  allowedNames,
  onSpoofed = () => undefined,
  ...names
}: RequestHeaderOptions): Authenticator {
  if (allowedNames !== undefined) requireNames('allowedNames', allowedNames);
  for (const [option, headers] of Object.entries(names)) {
    if (headers.length > 0) requireNames(option, headers);
  }
  const usernameHeaders = lowerCased(names.usernameHeaders);
  const uidHeaders = lowerCased(names.uidHeaders);
  const groupHeaders = lowerCased(names.groupHeaders);
  const extraPrefixes = lowerCased(names.extraHeadersPrefixes);
  const allowed = allowedNames === undefined ? undefined : new Set(allowedNames);

  function identityIn(headers: Headers): Identity | undefined {
    const name = firstValue(headers, usernameHeaders);
    if (name === '') return undefined;
    const uid = firstValue(headers, uidHeaders);
    const groups = everyValue(headers, groupHeaders);
    const extra = extraIn(headers, extraPrefixes);
    return Object.freeze(uid === '' ? { name, groups, extra } : { name, uid, groups, extra });
  }

  const saysWho = (headers: Headers): boolean =>
    [...usernameHeaders, ...uidHeaders, ...groupHeaders].some((name) => linesOf(headers, name).length > 0) ||
    Object.keys(headers).some((name) => extraPrefixes.some((prefix) => name.startsWith(prefix)));
  const notBelieved = (headers: Headers, result: Authentication): Authentication => {
    if (saysWho(headers)) onSpoofed();
    return result;
  };

  const isAllowed = (commonName: string): boolean => allowed?.has(commonName) ?? true;

  return {
    name: 'request-header',
    isFrontProxy({ peerCertificates }) {
      if (peerCertificates === undefined) return false;
      const verification = verifier.verify(peerCertificates);
      return verification.kind === 'verified' && isAllowed(verification.commonName);
    },
    authenticate({ peerCertificates, headers }) {
      if (peerCertificates === undefined) return notBelieved(headers, none);
      const verification = verifier.verify(peerCertificates);
      if (verification.kind === 'refused') return notBelieved(headers, verification);
      if (!isAllowed(verification.commonName)) {
        const name = JSON.stringify(verification.commonName);
        return notBelieved(headers, refused(`front proxy ${name} is not an allowed name`));
      }
      try {
        const identity = identityIn(headers);
        return identity === undefined ? none : { kind: 'authenticated', identity };
      } catch (error) {
        if (error instanceof HeaderEncodingError) return refused(error.message);
        throw error;
      }
    },
  };
}

function refused(reason: string): Authentication {
  return { kind: 'refused', reason };
}

function lowerCased(names: readonly string[]): readonly string[] {
  return names.map((name) => name.trim().toLowerCase());
}

/** Of each header only the first line is looked at, even if it is empty. */
function firstValue(headers: Headers, names: readonly string[]): string {
  for (const name of names) {
    const [line = ''] = linesOf(headers, name);
    const value = decodeHeaderValue(line, name);
    if (value !== '') return value;
  }
  return '';
}

function everyValue(headers: Headers, names: readonly string[]): readonly string[] {
  return names
    .flatMap((name) => linesOf(headers, name).map((line) => decodeHeaderValue(line, name)))
    .filter((value) => value !== '');
}

function extraIn(headers: Headers, prefixes: readonly string[]): Identity['extra'] {
  const extra = new Map<string, string[]>();
  for (const prefix of prefixes) {
    for (const name of Object.keys(headers)) {
      if (!name.startsWith(prefix)) continue;
      const key = extraKey(name.slice(prefix.length), name);
      const values = linesOf(headers, name).map((line) => decodeHeaderValue(line, name));
      extra.set(key, [...(extra.get(key) ?? []), ...values]);
    }
  }
  // Without a prototype: `__proto__` is a key like any other.
  return Object.assign(Object.create(null), Object.fromEntries(extra)) as Identity['extra'];
}

function linesOf(headers: Headers, name: string): readonly string[] {
  return Object.hasOwn(headers, name) ? (headers[name] ?? []) : [];
}

/** Percent-decoded as Go's PathUnescape; kept as it is with a broken escape in it. */
function extraKey(encoded: string, headerName: string): string {
  if (!encoded.includes('%') || /%(?![0-9a-f]{2})/.test(encoded)) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new HeaderEncodingError(headerName);
  }
}
