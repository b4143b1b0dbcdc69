/** An audit log that cannot be kept; the message names the file and the system's word for the fault. */
export class AuditLogError extends Error {
  override readonly name = 'AuditLogError';
  readonly code = 'ERR_AUDIT_LOG';
}

/** The system's word, such as ENOSPC; of any other error its class. */
export function faultOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.constructor.name : 'unknown error';
}
