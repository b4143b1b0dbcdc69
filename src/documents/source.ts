/** Where a text comes from, and how to refuse it. */
export interface Source {
  readonly file: string;
  /** Throws; `line` from 1. */
  readonly fail: (line: number, fault: string) => never;
}

/** A source whose errors are one line that begins with `file:line: `. */
export function sourceOf(file: string, Fault: new (message: string) => Error): Source {
  return {
    file,
    fail: (line, fault) => {
      throw new Fault(`${file.replace(/\s+/g, ' ')}:${line}: ${fault}`);
    },
  };
}

export function utf8TextOf(bytes: Uint8Array, source: Source): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return source.fail(1, 'is not UTF-8');
  }
}
