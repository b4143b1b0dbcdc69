/**
 * The base of every error that a caller may handle: `code` says which one it is and stays the same between releases,
 * the message says what to do and may change. Each room has its errors in one file.
 */
export abstract class CodedError extends Error {
  abstract readonly code: string;
}
