/** A mapping file that cannot be used; the message begins with `file:line: `. */
export class LabelMappingError extends Error {
  override readonly name = 'LabelMappingError';
  readonly code = 'ERR_LABEL_MAPPING';
}
