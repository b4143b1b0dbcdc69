import { codedError } from '../coded-error.js';
import { oneLine } from '../documents/one-line.js';
import { codeOf } from '../error-class.js';

/** There was no answer, or it broke off. The message is one line and begins with the server. */
export class ApiConnectionError extends codedError('ApiConnectionError', 'ERR_API_CONNECTION') {
  constructor(
    message: string,
    /** The system's code, such as `ECONNREFUSED`. The original error is left out: some contain credentials. */
    readonly causeCode?: string,
  ) {
    super(message);
  }
}

/** An answer that is not a success. */
export class ApiStatusError extends codedError('ApiStatusError', 'ERR_API_STATUS') {
  /** The reason in the Status object, such as `Forbidden`; undefined if there is none. */
  readonly reason: string | undefined;
  /** How long the server asks clients to wait (ms), at most 5 minutes. */
  readonly retryAfterMs: number | undefined;
  /** The object concerned; for a 404, the one that was not found. */
  readonly about: { readonly resource: string; readonly name: string } | undefined;

  /**
   * `statusObject` is the answer's body, parsed (kind Status). Its message becomes this one's, at most 512
   * characters. `retryAfterMs` is that of the header; without it the Status' `details.retryAfterSeconds` counts.
   */
  constructor(
    readonly status: number,
    statusObject?: unknown,
    retryAfterMs?: number,
  ) {
    const { message, reason, details } = membersOf(statusObject);
    super(typeof message === 'string' && message !== '' ? oneLine(message) : `status ${status}`);
    this.reason = typeof reason === 'string' && /^[A-Za-z]{1,64}$/.test(reason) ? reason : undefined;
    // `kind` is the resource's name, such as clusterroles.
    const { kind, name, retryAfterSeconds: seconds } = membersOf(details);
    this.retryAfterMs =
      retryAfterMs ??
      (typeof seconds === 'number' && seconds > 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined);
    this.about = typeof kind === 'string' && typeof name === 'string' ? { resource: kind, name } : undefined;
  }
}

/** A success whose content cannot be used: too large, or not JSON. */
export class ApiContentError extends codedError('ApiContentError', 'ERR_API_CONTENT') {}

/** The longest that a server may ask for. */
export const maxRetryAfterMs = 300_000;

/**
 * Why a server did not answer, or its answer broke off, in our own words: the original messages may quote what was
 * received, and those of proxies contain passwords.
 */
export function connectionError(server: string, error: unknown): ApiConnectionError {
  if (error instanceof ApiConnectionError) return error;
  const found = codeOf(error);
  const code = typeof found === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(found) ? found : undefined;
  const suffix = code === undefined ? '' : ` (${code})`;
  return new ApiConnectionError(`${server}: ${descriptionOf(error, code)}${suffix}`, code);
}

const descriptions: readonly (readonly [code: RegExp, description: string])[] = [
  [/^ECONNREFUSED$/, 'connection refused'],
  [/^(?:ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/, 'connection closed by the server'],
  [/^(?:ENOTFOUND|EAI_\w+)$/, 'host name not resolved'],
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/, 'host not reached'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'the server certificate is for another name'],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, 'the server certificate is not valid now'],
  [
    /^(?:UNABLE_TO_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|INVALID_CA|CERT_\w+)$/,
    'the server certificate is not signed by a known authority',
  ],
  [
    /^(?:INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|UNSPECIFIED)$/,
    'the server certificate, or an authority above it, may not be used for this',
  ],
  [/^(?:EPROTO|ERR_SSL_\w+|ERR_TLS_\w+|ERR_OSSL_\w+)$/, 'TLS failed'],
  [/^HPE_\w+$/, 'the answer is no HTTP'],
  [/^ERR_INTERIM_ANSWERS$/, 'more than a hundred interim answers before the answer'],
  [/^Z_\w+$/, 'the answer is no gzip, or breaks off'],
];

function descriptionOf(error: unknown, code: string | undefined): string {
  const known = descriptions.find(([pattern]) => code !== undefined && pattern.test(code));
  if (known !== undefined) return known[1];
  const { message, constructor } = error instanceof Error ? error : new Error();
  const proxyStatus = /^Bad response: (\d{3})$/.exec(message)?.[1];
  if (proxyStatus !== undefined) return `the proxy answered ${proxyStatus}`;
  if (message === 'Proxy timeout') return 'the proxy did not answer';
  return constructor.name === 'SocksClientError' ? 'the SOCKS proxy failed' : 'connection failed';
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
