/** What arrives one after the other, to be taken or awaited in that order. */
export class Arrivals<Value> {
  readonly #untaken: Value[] = [];
  readonly #waiting: ((value: Value) => void)[] = [];

  add(value: Value): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#untaken.push(value);
    else waiting(value);
  }

  next(): Promise<Value> {
    const value = this.#untaken.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Those that nobody has taken yet. */
  get untaken(): readonly Value[] {
    return this.#untaken;
  }
}
