import { CodedError } from '../coded-error.js';

/** A glob of `allowPaths` that cannot be used; the message names it. */
export class AllowPathsError extends CodedError {
  override readonly name = 'AllowPathsError';
  readonly code = 'ERR_ALLOW_PATHS';
}

/** A glob of `ignorePaths` that cannot be used; the message names it. */
export class IgnorePathsError extends CodedError {
  override readonly name = 'IgnorePathsError';
  readonly code = 'ERR_IGNORE_PATHS';
}

/** A limit that cannot be used; the message names the option. */
export class RequestLimitError extends CodedError {
  override readonly name = 'RequestLimitError';
  readonly code = 'ERR_REQUEST_LIMIT';
}
