/** Whoever listens cannot make a scrape fail. */
export function tellFailure<Failure>(
  owner: string,
  onFailure: ((failure: Failure) => void) | undefined,
  failure: Failure,
): void {
  try {
    onFailure?.(failure);
  } catch (error) {
    const what = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`onFailure of ${owner} failed with ${what}`);
  }
}
