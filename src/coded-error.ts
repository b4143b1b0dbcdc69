/**
 * The base of every error that a caller may handle: `code` says which one it is and stays the same between releases,
 * the message says what to do and may change. Each room has its errors in one file.
 */
export abstract class CodedError extends Error {
  abstract readonly code: string;
}

/** What a class of such errors extends: instances have this name and code. */
export function codedError<Name extends string, Code extends string>(
  name: Name,
  code: Code,
): new (message?: string, options?: ErrorOptions) => CodedError & { name: Name; readonly code: Code } {
  return class extends CodedError {
    override readonly name = name;
    readonly code = code;
  };
}
