/** Something in the command line, or a file it names, has to be mended: one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 2;
}

/** Turns whatever went wrong into one line that begins with the flag to mend. */
export function usageError(flag: string, error: unknown): UsageError {
  const text = error instanceof Error ? error.message : String(error);
  return new UsageError(`${flag}: ${text.replace(/\s+/g, ' ')}`);
}
