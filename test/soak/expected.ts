/** How long after a change both answers are right (ms): files are looked at once a second. */
export const graceMs = 2_000;

interface Era<Answer> {
  readonly answer: Answer;
  readonly from: number;
  until: number;
}

/** What somebody has to get, over time. Times are of `performance.now()`. */
export class Expected<Answer> {
  readonly #eras: Era<Answer>[];

  constructor(answer: Answer) {
    this.#eras = [{ answer, from: -Infinity, until: Infinity }];
  }

  /** From the start of `change` on this is right; what was right before stays so until 2 s after its end. */
  async turnsTo(answer: Answer, change: () => Promise<void> | void): Promise<void> {
    const before = this.#eras.at(-1);
    this.#eras.push({ answer, from: performance.now(), until: Infinity });
    await change();
    if (before !== undefined) before.until = performance.now() + graceMs;
    // What ended long ago is asked about by nobody.
    while ((this.#eras[0]?.until ?? Infinity) < performance.now() - 60_000) this.#eras.shift();
  }

  /** What was right at any time between the two. */
  between(sentAt: number, answeredAt: number): readonly Answer[] {
    return this.#eras
      .filter(({ from, until }) => from <= answeredAt && until >= sentAt)
      .map(({ answer }) => answer);
  }
}
