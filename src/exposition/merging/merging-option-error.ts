/** An option that cannot be used; the message begins with its name. */
export class MergingOptionError extends Error {
  override readonly name = 'MergingOptionError';
  readonly code = 'ERR_MERGING_OPTION';
}
