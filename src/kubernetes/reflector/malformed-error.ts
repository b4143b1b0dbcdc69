import { oneLine } from '../../outgoing/one-line.js';

/** What a server sent and what cannot be read. The message is one line. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
  readonly code = 'ERR_MALFORMED';
}

/** @throws MalformedError that quotes nothing, unlike JSON.parse's own. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedError('not JSON');
  }
}

/** Runs `read`; whatever that throws for an object is a MalformedError. */
export function readOrRefuse<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw refusal(error);
  }
}

/** What somebody who was given an object threw. */
export function refusal(error: unknown): MalformedError {
  return new MalformedError(oneLine(error instanceof Error ? error.message : String(error)));
}
