import { codedError } from '../coded-error.js';

/** A glob of `allowPaths` that cannot be used; the message names it. */
export class AllowPathsError extends codedError('AllowPathsError', 'ERR_ALLOW_PATHS') {}

/** A glob of `ignorePaths` that cannot be used; the message names it. */
export class IgnorePathsError extends codedError('IgnorePathsError', 'ERR_IGNORE_PATHS') {}

/** A limit that cannot be used; the message names the option. */
export class RequestLimitError extends codedError('RequestLimitError', 'ERR_REQUEST_LIMIT') {}
