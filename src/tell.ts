import { errorClass } from './error-class.js';

/**
 * Calls a listener, if any. If it throws, a warning names only the class of its error, since a message
 * could quote a secret, and changes nothing for the caller: listeners cannot make an answer fail.
 *
 * @param owner names the listener's owner in the warning.
 */
export function tell<Values extends readonly unknown[]>(
  owner: string,
  listener: ((...values: Values) => void) | undefined,
  ...values: Values
): void {
  try {
    listener?.(...values);
  } catch (error) {
    process.emitWarning(`a listener of ${owner} failed with ${errorClass(error)}`);
  }
}
