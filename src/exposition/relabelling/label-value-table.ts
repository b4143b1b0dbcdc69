/**
 * What the values of one label are called elsewhere. Keys and values are as they stand in an exposition: escaped, and
 * their UTF-8 read as Latin-1, since no line is decoded.
 */
export class LabelValueTable {
  readonly #values = new Map<string, string>();
  readonly #newValues = new Set<string>();
  #maxLength = 0;

  get(value: string): string | undefined {
    return this.#values.get(value);
  }

  /** Of the longest new value (bytes). */
  get maxLength(): number {
    return this.#maxLength;
  }

  /** Whether no two values get the same new one. */
  get isOneToOne(): boolean {
    return this.#newValues.size === this.#values.size;
  }

  /** What is wrong with it, if anything is. */
  add(from: string, to: string): string | undefined {
    // No value and the empty one are the same to Prometheus.
    if (from === '') return 'the empty value cannot be mapped';
    if (to === '') return `${quoted(from)} is mapped to nothing`;
    const [key, value] = [escaped(from), escaped(to)];
    if (this.#values.has(key)) return `${quoted(from)} is mapped twice`;
    this.#values.set(key, value);
    this.#newValues.add(value);
    this.#maxLength = Math.max(this.#maxLength, value.length);
    return undefined;
  }
}

function escaped(value: string): string {
  const text = value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
  return Buffer.from(text).toString('latin1');
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
}
