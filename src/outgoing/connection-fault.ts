import { ApiConnectionError } from './api-error.js';
import { ExecPluginError } from '../kubernetes/exec/exec-credential.js';

/**
 * Why no answer came from a server, or it broke off, in words of our own: messages from below quote what was
 * received, and errors of proxies carry their passwords.
 */
export function connectionError(server: string, error: unknown): ApiConnectionError {
  if (error instanceof ApiConnectionError) return error;
  if (error instanceof ExecPluginError)
    return new ApiConnectionError(`${server}: ${error.message}`, error.code);
  const code = codeOf(error);
  const description = descriptionOf(error, code);
  return new ApiConnectionError(`${server}: ${description}${code === undefined ? '' : ` (${code})`}`, code);
}

const descriptions: readonly (readonly [pattern: RegExp, description: string])[] = [
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
  [/^Z_\w+$/, 'the answer is no gzip, or breaks off'],
];

function descriptionOf(error: unknown, code: string | undefined): string {
  const known = descriptions.find(([pattern]) => code !== undefined && pattern.test(code));
  if (known !== undefined) return known[1];
  const message = error instanceof Error ? error.message : '';
  const proxyStatus = /^Bad response: (\d{3})$/.exec(message)?.[1];
  if (proxyStatus !== undefined) return `the proxy answered ${proxyStatus}`;
  if (message === 'Proxy timeout') return 'the proxy did not answer';
  return isSocksError(error) ? 'the SOCKS proxy failed' : 'connection failed';
}

function isSocksError(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'SocksClientError';
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined;
}
