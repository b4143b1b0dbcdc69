/** A manifest, or the place it should be read from, that has to be mended; the message begins with where. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code = 'ERR_MANIFEST';
}
