import { isHeaderToken } from '../header-token.js';
import { certificateFault, privateKeyFault, type ClientCertificate } from '../../outgoing/tls-material.js';

/** What an exec plugin gave: a token, a client certificate, or both. */
export interface ExecCredential {
  readonly token?: string;
  readonly clientCertificate?: ClientCertificate;
  /** Milliseconds since the epoch. Without it, good until the server refuses it. */
  readonly expiresAt?: number;
}

/** The plugin gave no credential. The message quotes nothing of what it wrote: that may be a token. */
export class ExecPluginError extends Error {
  override readonly name = 'ExecPluginError';
  readonly code = 'ERR_EXEC_PLUGIN';
}

/**
 * An ExecCredential as plugins print it:
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 *
 * @throws ExecPluginError
 */
export function readExecCredential(output: string, apiVersion: string): ExecCredential {
  const credential = membersOf(parse(output));
  if (credential['kind'] !== 'ExecCredential') throw unusable('no ExecCredential');
  if (credential['apiVersion'] !== apiVersion) throw unusable('another apiVersion than it was asked for');
  const status = membersOf(credential['status']);
  const token = tokenOf(status);
  const clientCertificate = clientCertificateOf(status);
  if (token === undefined && clientCertificate === undefined) throw unusable('neither token nor certificate');
  const expiresAt = expirationOf(status);
  return {
    ...(token === undefined ? {} : { token }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

type Members = Readonly<Record<string, unknown>>;

function tokenOf(status: Members): string | undefined {
  const token = textOf(status, 'token');
  if (token !== undefined && !isHeaderToken(token)) throw unusable('a token that no header can carry');
  return token;
}

function clientCertificateOf(status: Members): ClientCertificate | undefined {
  const certificate = textOf(status, 'clientCertificateData');
  const privateKey = textOf(status, 'clientKeyData');
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined) throw unusable('a key without certificate');
  if (privateKey === undefined) throw unusable('a certificate without key');
  const fault = certificateFault(certificate);
  if (fault !== undefined) throw unusable(`clientCertificateData that ${fault}`);
  const keyFault = privateKeyFault(certificate, privateKey);
  if (keyFault !== undefined) throw unusable(`clientKeyData that ${keyFault}`);
  return { certificate, privateKey };
}

function expirationOf(status: Members): number | undefined {
  const text = textOf(status, 'expirationTimestamp');
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw unusable('an expirationTimestamp that is no time');
  return time;
}

function textOf(status: Members, key: string): string | undefined {
  const value = status[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw unusable(`a ${key} that is no string`);
  return value;
}

function parse(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    throw unusable('no JSON');
  }
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function unusable(what: string): ExecPluginError {
  return new ExecPluginError(`the exec plugin gave ${what}`);
}
