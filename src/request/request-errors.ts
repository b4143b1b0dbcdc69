import { CodedError } from '../coded-error.js';

/** An option that cannot be used: `code` is `ERR_OPTION_` and the option's name in capitals. */
export class MetricsFilterOptionError extends CodedError {
  override readonly name = 'MetricsFilterOptionError';
  readonly code: string;

  constructor(
    readonly option: string,
    message: string,
  ) {
    super(`${option}: ${message}`);
    this.code = `ERR_OPTION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  }
}

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
