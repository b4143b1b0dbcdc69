import type { Logger } from '../server/server-options.js';

interface Closable {
  close(): void | Promise<void>;
}

/** What a command has opened; closed in reverse order when the command ends. */
export class Opened {
  readonly #opened: Closable[] = [];

  add<Resource extends Closable>(resource: Resource): Resource {
    this.#opened.push(resource);
    return resource;
  }

  /** Closes all, even if closing one fails. */
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

/** A logger that holds back its lines until it is released, so that a failed start prints one line only. */
export class HeldBackLogger implements Logger {
  #held: (() => void)[] | undefined = [];

  constructor(readonly behind: Logger) {}

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const write of held) write();
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  isLevelEnabled(level: 'debug'): boolean {
    return this.behind.isLevelEnabled?.(level) ?? true;
  }

  #write(level: Exclude<keyof Logger, 'isLevelEnabled'>, fields: object, message: string): void {
    const write = (): void => {
      this.behind[level](fields, message);
    };
    if (this.#held === undefined) write();
    else this.#held.push(write);
  }
}
