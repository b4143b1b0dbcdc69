import { errorClass } from './error-class.js';

/**
 * Calls a listener, if there is one. A listener that throws is warned of by the class of its error, since a message
 * could quote a secret, and changes nothing for the caller: whoever only listens cannot make an answer fail.
 *
 * @param owner whose listener it is, as its user would call it, for the warning.
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
