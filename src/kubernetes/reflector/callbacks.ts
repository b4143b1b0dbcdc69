/** Calls whoever listens. That one of them fails is warned of once, and changes nothing for the caller. */
export class Callbacks {
  #hasWarned = false;

  /** @param owner what the warning calls the caller. */
  constructor(readonly owner: string) {}

  call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.failed(error);
    }
  }

  /** That one of them failed where somebody else called it. */
  failed(error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(`${this.owner}: a callback failed: ${String(error)}`);
  }
}
