/** The loggable part of a foreign error: unlike its message, its class cannot quote a secret. */
export function errorClass(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}

/** The code of a failed system call, for messages; of any other error its class. */
export function systemCode(error: unknown): string {
  return codeOf(error) ?? errorClass(error);
}

/** Of a failed system call, such as `ENOENT`, or of Node's own errors. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What is wrong, in the words of an error of our own. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
