/** The loggable part of a foreign error: unlike its message, its class cannot quote a secret. */
export function errorClass(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}
