/** What may be told of an error from elsewhere: its message may quote what was presented, its class cannot. */
export function errorClass(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}
