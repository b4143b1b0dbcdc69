import { CodedError } from '../coded-error.js';
import { codeOf } from '../error-class.js';

/** An audit log that cannot be written; the message names the file and the system's code for the fault. */
export class AuditLogError extends CodedError {
  override readonly name = 'AuditLogError';
  readonly code = 'ERR_AUDIT_LOG';
}

/** The system's code, such as ENOSPC; of any other error its class. */
export function faultOf(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.constructor.name : 'unknown error');
}
