import { onTestFinished, TestRunner } from 'vitest';

const afterFile: (() => unknown)[] = [];

/** Calls `end` after the test in which it is handed over; outside of tests, after their file. */
export function atEnd(end: () => unknown): void {
  if (TestRunner.getCurrentTest() === undefined) afterFile.push(end);
  else
    onTestFinished(async () => {
      await end();
    });
}

/** Closes it then, and returns it. */
export function closedAtEnd<Closable extends { close(): unknown }>(closable: Closable): Closable {
  atEnd(() => closable.close());
  return closable;
}

export async function endAfterFile(): Promise<void> {
  for (const end of afterFile.splice(0).reverse()) await end();
}
