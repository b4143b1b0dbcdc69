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

  async close(): Promise<void> {
    for (let last = this.#opened.pop(); last !== undefined; last = this.#opened.pop()) await last.close();
  }
}
