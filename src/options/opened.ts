export interface Closable {
  close(): void | Promise<void>;
}

/** What a command has opened, to be closed in the opposite order, however it ends. */
export class Opened {
  readonly #opened: Closable[] = [];

  add<Resource extends Closable>(resource: Resource): Resource {
    this.#opened.push(resource);
    return resource;
  }

  /** The others, too, where one cannot be closed. */
  async close(): Promise<void> {
    const last = this.#opened.pop();
    if (last === undefined) return;
    try {
      await last.close();
    } finally {
      await this.close();
    }
  }
}
