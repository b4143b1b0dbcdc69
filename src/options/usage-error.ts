/** The command line, or a file it names, is invalid: printed as one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 2;
}

/** Turns an error into one line that begins with the flag to fix. */
export function usageError(flag: string, error: unknown): UsageError {
  const text = error instanceof Error ? error.message : String(error);
  return new UsageError(`${flag}: ${text.replace(/\s+/g, ' ')}`);
}
