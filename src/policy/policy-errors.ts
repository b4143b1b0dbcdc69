import { getSystemErrorMap } from 'node:util';
import { codedError } from '../coded-error.js';
import { codeOf, errorClass } from '../error-class.js';

/** An invalid manifest or directory; the message begins with its place. */
export class ManifestError extends codedError('ManifestError', 'ERR_MANIFEST') {}

/**
 * A policy snapshot that cannot be read or written, or a place unfit for one. The message is one line that begins with
 * the file and quotes nothing of its content.
 */
export class SnapshotError extends codedError('SnapshotError', 'ERR_POLICY_SNAPSHOT') {
  constructor(file: string, fault: string, options?: ErrorOptions) {
    super(`${file}: ${fault}`.replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** Wraps an error as a SnapshotError, unless it is one. */
export function snapshotError(file: string, attempt: 'read' | 'written', error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  const fault =
    attempt === 'written' && codeOf(error) === 'ENOENT'
      ? 'its directory does not exist'
      : `cannot be ${attempt}: ${describe(error)}`;
  return new SnapshotError(file, fault, { cause: error });
}

/** Without the error's own message, which names a temporary file or quotes content. */
function describe(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  return known === undefined ? errorClass(error) : `${known[0]} (${known[1]})`;
}
