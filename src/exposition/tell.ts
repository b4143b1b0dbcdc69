/** Tells somebody who only listens: he cannot make a scrape fail. `whose`: of whose options he is, for the warning. */
export function tell(whose: string, listener: () => void): void {
  try {
    listener();
  } catch (error) {
    const what = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`a listener of ${whose} failed with ${what}`);
  }
}
