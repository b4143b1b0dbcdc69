import { ApiStatusError } from '../../outgoing/api-error.js';
import { member, stringMember } from './json-member.js';
import { ReflectorFailure } from './reflector-failure.js';
import type { ReflectorFault } from './reflector-sink.js';

/**
 * What an answer's status stands for, or an ERROR event's, such as `403 Forbidden: …`.
 *
 * @param object the Status, where there is one; whatever is missing in it or of another type is left out.
 * @param retryAfterMs of the answer's header; without it the Status' own counts.
 */
export function statusFailure(code: number, object: unknown, retryAfterMs?: number): ReflectorFailure {
  const error = new ApiStatusError(code, object, retryAfterMs);
  const fault = isAhead(object) ? 'expired' : faultOf(code);
  const words = [String(code)];
  if (error.reason !== undefined) words.push(` ${error.reason}`);
  // What the client did wrong is for the operator to mend; the messages of other failures differ each time.
  const isForOperator = fault === 'refused' || (fault === 'status' && code >= 400 && code < 500);
  if (isForOperator && stringMember(object, 'message') !== undefined) words.push(`: ${error.message}`);
  return new ReflectorFailure(fault, words.join(''), { status: code, retryAfterMs: error.retryAfterMs });
}

/** The failure that an ERROR event's Status tells of. */
export function errorEventFailure(object: unknown): ReflectorFailure {
  const code = member(object, 'code');
  return statusFailure(typeof code === 'number' && Number.isInteger(code) ? code : 500, object);
}

function faultOf(code: number): ReflectorFault {
  switch (code) {
    case 410:
      return 'expired';
    case 401:
    case 403:
      return 'refused';
    case 429:
      return 'throttled';
    default:
      return 'status';
  }
}

/** The server knows less than was asked for: it has gone back, or another one answers that lags behind. */
function isAhead(object: unknown): boolean {
  const causes = member(object, 'details', 'causes');
  return (
    Array.isArray(causes) && causes.some((cause) => member(cause, 'reason') === 'ResourceVersionTooLarge')
  );
}
