import { getSystemErrorMap } from 'node:util';
import { CodedError } from '../coded-error.js';
import { errorClass } from '../error-class.js';

/** A manifest, or the place it should be read from, that must be corrected; the message begins with where. */
export class ManifestError extends CodedError {
  override readonly name = 'ManifestError';
  readonly code = 'ERR_MANIFEST';
}

/** An object that an API server sent and that is not what was asked for. */
export class MalformedObjectError extends CodedError {
  override readonly name = 'MalformedObjectError';
  readonly code = 'ERR_MALFORMED_OBJECT';
}

/**
 * A policy snapshot that cannot be read or written, or a place where none can be kept. The message is one line that
 * begins with the file and quotes nothing of its content.
 */
export class SnapshotError extends CodedError {
  override readonly name = 'SnapshotError';
  readonly code = 'ERR_POLICY_SNAPSHOT';

  constructor(file: string, fault: string, options?: ErrorOptions) {
    super(`${file}: ${fault}`.replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** Makes a SnapshotError of any error; one stays as it is. */
export function snapshotError(file: string, attempt: 'read' | 'written', error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  const fault =
    attempt === 'written' && systemCode(error) === 'ENOENT'
      ? 'its directory does not exist'
      : `cannot be ${attempt}: ${describe(error)}`;
  return new SnapshotError(file, fault, { cause: error });
}

/** Of a failed system call, such as `ENOENT`. */
export function systemCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Without the error's own message: that names a temporary file, another one each time, or quotes a text. */
function describe(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  return known === undefined ? errorClass(error) : `${known[0]} (${known[1]})`;
}
