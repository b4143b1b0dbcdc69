/** Tells when nothing has come for some time. What came while this process was busy is read first, and counts. */
export class Silence {
  #timer: NodeJS.Timeout | undefined;
  #check: NodeJS.Immediate | undefined;

  /** Begins to listen; `tell` is called after `ms`, unless `end` is before. */
  begin(ms: number, tell: () => void): void {
    this.end();
    this.#timer = setTimeout(() => {
      this.#check = setImmediate(tell);
    }, ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#check);
  }
}
