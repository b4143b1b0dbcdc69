import { ApiConnectionError } from '../../outgoing/api-error.js';
import { MalformedError } from './malformed-error.js';
import type { ReflectorFault } from './reflector-sink.js';

/** Why a list or a watch came to nothing. The message is one line, for the operator. */
export class ReflectorFailure extends Error {
  override readonly name = 'ReflectorFailure';
  readonly code = 'ERR_REFLECTOR';
  /** What the server answered, where it answered at all. */
  readonly status: number | undefined;
  /** How long the server asks to be left alone (ms). */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly fault: ReflectorFault,
    message: string,
    answer: { readonly status?: number; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.status = answer.status;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

export function failureOf(error: unknown): ReflectorFailure {
  if (error instanceof ReflectorFailure) return error;
  if (error instanceof MalformedError) return new ReflectorFailure('malformed', error.message);
  if (error instanceof ApiConnectionError) return new ReflectorFailure('connection', error.message);
  // Of an error that nobody expects only the class is told: who knows what its message quotes.
  const name = error instanceof Error ? error.constructor.name : typeof error;
  return new ReflectorFailure('connection', `failed with ${name}`);
}
