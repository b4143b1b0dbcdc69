import {
  none,
  refused,
  requireNames,
  type Authentication,
  type Authenticator,
  type Credentials,
} from './authenticator.js';
import type { CertificateVerifier } from './certificates/certificate-verifier.js';
import type { Identity } from './identity.js';
import { checkOptions, having, optional, texts } from '../option-checks.js';

export interface RequestHeaderOptions {
  /** Verifies the front proxy's own certificate. */
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
  /** Called when a request that does not come from a front proxy has these headers, which are ignored. */
  readonly onSpoofed?: () => void;
}

type Headers = Credentials['headers'];

/** A header that is not UTF-8 and so gives no name. */
class HeaderEncodingFault extends Error {
  constructor(headerName: string) {
    super(`header ${JSON.stringify(headerName)} is not UTF-8`);
  }
}

/**
 * Kubernetes' request-header authenticator: a front proxy authenticates with a certificate and names the user in
 * headers.
 * @throws RangeError for an empty list of allowed names, or a blank name of a header.
 */
export function requestHeaderAuthenticator(options: RequestHeaderOptions): Authenticator {
  checkOptions(options, {
    verifier: having('createCertificateVerifier({ authorities })', 'verify'),
    allowedNames: optional(texts),
    usernameHeaders: texts,
    uidHeaders: texts,
    groupHeaders: texts,
    extraHeadersPrefixes: texts,
  });
  const { verifier, allowedNames, onSpoofed = () => undefined, ...names } = options;
  if (allowedNames !== undefined) requireNames('allowedNames', allowedNames);
  for (const [option, headers] of Object.entries(names)) {
    if (headers.length > 0) requireNames(option, headers);
  }
  const usernameHeaders = lowerCased(names.usernameHeaders);
  const uidHeaders = lowerCased(names.uidHeaders);
  const groupHeaders = lowerCased(names.groupHeaders);
  const extraPrefixes = lowerCased(names.extraHeadersPrefixes);
  const allowed = allowedNames === undefined ? undefined : new Set(allowedNames);
  const isAllowed = (commonName: string): boolean => allowed?.has(commonName) ?? true;

  function identityIn(headers: Headers): Identity | undefined {
    const name = firstValue(headers, usernameHeaders);
    if (name === '') return undefined;
    const uid = firstValue(headers, uidHeaders);
    const groups = groupHeaders
      .flatMap((header) => valuesOf(headers, header))
      .filter((value) => value !== '');
    const extra = extraIn(headers, extraPrefixes);
    return Object.freeze(uid === '' ? { name, groups, extra } : { name, uid, groups, extra });
  }

  const saysWho = (headers: Headers): boolean =>
    [...usernameHeaders, ...uidHeaders, ...groupHeaders].some((name) => linesOf(headers, name).length > 0) ||
    Object.keys(headers).some((name) => extraPrefixes.some((prefix) => name.startsWith(prefix)));
  const ignoring = (headers: Headers, result: Authentication): Authentication => {
    if (saysWho(headers)) onSpoofed();
    return result;
  };

  return {
    name: 'request-header',
    isFrontProxy({ peerCertificates }) {
      if (peerCertificates === undefined) return false;
      const verification = verifier.verify(peerCertificates);
      return verification.kind === 'verified' && isAllowed(verification.commonName);
    },
    authenticate({ peerCertificates, headers }) {
      if (peerCertificates === undefined) return ignoring(headers, none);
      const verification = verifier.verify(peerCertificates);
      if (verification.kind === 'refused') return ignoring(headers, verification);
      if (!isAllowed(verification.commonName)) {
        const name = JSON.stringify(verification.commonName);
        return ignoring(headers, refused(`front proxy ${name} is not an allowed name`));
      }
      try {
        const identity = identityIn(headers);
        return identity === undefined ? none : { kind: 'authenticated', identity };
      } catch (error) {
        if (error instanceof HeaderEncodingFault) return refused(error.message);
        throw error;
      }
    },
  };
}

function lowerCased(names: readonly string[]): readonly string[] {
  return names.map((name) => name.trim().toLowerCase());
}

/** Only the first line of each header counts, even if it is empty. */
function firstValue(headers: Headers, names: readonly string[]): string {
  for (const name of names) {
    const [line = ''] = linesOf(headers, name);
    const value = decodeHeaderValue(line, name);
    if (value !== '') return value;
  }
  return '';
}

function extraIn(headers: Headers, prefixes: readonly string[]): Identity['extra'] {
  // Without a prototype: `__proto__` is a key like any other.
  const extra = Object.create(null) as Record<string, readonly string[]>;
  for (const prefix of prefixes) {
    for (const name of Object.keys(headers).filter((header) => header.startsWith(prefix))) {
      const key = extraKey(name.slice(prefix.length), name);
      extra[key] = [...(extra[key] ?? []), ...valuesOf(headers, name)];
    }
  }
  return extra;
}

/** Percent-decoded as by Go's PathUnescape; unchanged if an escape is broken. */
function extraKey(encoded: string, headerName: string): string {
  if (!encoded.includes('%') || /%(?![0-9a-f]{2})/.test(encoded)) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new HeaderEncodingFault(headerName);
  }
}

function valuesOf(headers: Headers, name: string): readonly string[] {
  return linesOf(headers, name).map((line) => decodeHeaderValue(line, name));
}

function linesOf(headers: Headers, name: string): readonly string[] {
  return Object.hasOwn(headers, name) ? (headers[name] ?? []) : [];
}

// A byte order mark is kept: a name with it is another name.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Trimmed (RFC 9110, 5.5) and decoded as UTF-8 from bytes given as Latin-1. */
function decodeHeaderValue(value: string, headerName: string): string {
  const text = withoutBlanks(value);
  if (/^[\0-\x7f]*$/.test(text)) return text;
  // Not a byte: truncated to one, it would be another character.
  if (/[^\0-\xff]/.test(text)) throw new HeaderEncodingFault(headerName);
  try {
    return utf8.decode(Buffer.from(text, 'latin1'));
  } catch {
    throw new HeaderEncodingFault(headerName);
  }
}

/** Not a regular expression, which takes quadratic time with many blanks inside. */
function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start += 1;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
