/** A wrong option for metrics over several workers; the message says what to pass instead. */
export class WorkersError extends Error {
  override readonly name = 'WorkersError';
  readonly code = 'ERR_WORKERS';
}
