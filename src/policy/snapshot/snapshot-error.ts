import { getSystemErrorMap } from 'node:util';

/**
 * A policy snapshot that cannot be read or written, or a place that is none for it. The message is one line
 * that begins with the file and quotes nothing of what stands in it.
 */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code = 'ERR_POLICY_SNAPSHOT';

  constructor(file: string, fault: string, options?: ErrorOptions) {
    super(`${file}: ${fault}`.replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** Makes a SnapshotError of whatever went wrong; one stays as it is. */
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

/** Never the error's own message: it names a temporary file that is another each time, or quotes a text. */
function describe(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  if (known !== undefined) return `${known[0]} (${known[1]})`;
  return error instanceof Error ? error.constructor.name : typeof error;
}
