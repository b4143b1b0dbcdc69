import type { ReadDocument, ValuePath } from './documents.js';

/** A value of a document that knows where it stands, so that what is wrong with it can be found. */
export class Field {
  private constructor(
    private readonly document: ReadDocument,
    readonly value: unknown,
    private readonly path: ValuePath,
  ) {}

  static root(document: ReadDocument): Field {
    return new Field(document, document.value, []);
  }

  get line(): number {
    return this.document.lineOf(this.path);
  }

  /** `file:line` */
  get where(): string {
    return `${this.document.source.file}:${this.line}`;
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  /** Absent, or an empty text, list or object. */
  get isEmpty(): boolean {
    const { value } = this;
    return (
      this.isAbsent || value === '' || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
    );
  }

  /** A member of an object; absent where the object itself is absent. */
  get(key: string): Field {
    const members = this.#members();
    return this.#at(key, members !== undefined && Object.hasOwn(members, key) ? members[key] : undefined);
  }

  /** The members of an object; none where it is absent. */
  entries(): readonly (readonly [key: string, field: Field])[] {
    return Object.entries(this.#members() ?? {}).map(([key, value]) => [key, this.#at(key, value)]);
  }

  requireObject(): void {
    if (this.#members() === undefined) {
      this.fail(this.value === null ? 'must be an object, not null' : 'is missing');
    }
  }

  /** The items of a list, any of which may be null; none where it is absent. */
  items(): readonly Field[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) return this.#failType('a list');
    return this.value.map((item: unknown, index) => this.#at(index, item));
  }

  /** The same without null. */
  list(): readonly Field[] {
    return this.items().map((item) => (item.value === null ? item.fail('must not be null') : item));
  }

  strings(): readonly string[] {
    return this.list().map((item) =>
      typeof item.value === 'string' ? item.value : item.#failType('a string'),
    );
  }

  string(): string {
    const text = this.optionalString();
    if (text === undefined) return this.fail('is missing');
    return text === '' ? this.fail('must not be empty') : text;
  }

  optionalString(): string | undefined {
    if (this.isAbsent) return undefined;
    return typeof this.value === 'string' ? this.value : this.#failType('a string');
  }

  /** Undefined for an empty one too. */
  optionalText(): string | undefined {
    const text = this.optionalString();
    return text === '' ? undefined : text;
  }

  /** False where it is absent. */
  boolean(): boolean {
    if (this.isAbsent) return false;
    return typeof this.value === 'boolean' ? this.value : this.#failType('true or false');
  }

  oneOf<Choice extends string>(...choices: readonly Choice[]): Choice {
    const text = this.string();
    return (
      choices.find((choice) => choice === text) ??
      this.fail(`must be ${choices.join(', ').replace(/, ([^,]*)$/, ' or $1')}`)
    );
  }

  /** A whole number from 0. */
  optionalCount(): void {
    if (!this.isAbsent && !(Number.isSafeInteger(this.value) && Number(this.value) >= 0)) {
      this.fail('must be a whole number from 0');
    }
  }

  /** Throws; `problem` is what the message says behind the field's name. */
  fail(problem: string): never {
    const name = this.path.map(shownStep).join('').replace(/^\./, '');
    return this.document.source.fail(this.line, `${name === '' ? 'a document' : name} ${problem}`);
  }

  #at(step: string | number, value: unknown): Field {
    return new Field(this.document, value, [...this.path, step]);
  }

  #members(): Readonly<Record<string, unknown>> | undefined {
    if (this.isAbsent) return undefined;
    return isPlainObject(this.value) ? this.value : this.#failType('an object');
  }

  #failType(wanted: string): never {
    return this.fail(`must be ${wanted}, not ${typeOf(this.value)}`);
  }
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value !== 'object') return `a ${typeof value}`;
  return isPlainObject(value) ? 'an object' : 'an object of another type';
}

/** Keys of labels and annotations are anything that was written. */
function shownStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return /^[\w./-]{1,128}$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 128))}]`;
}

/** A name from a document, as messages show it: short, and on one line. */
export function shownName(name: string): string {
  const short = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return /^[A-Za-z][\w-]*…?$/.test(short) ? short : JSON.stringify(short);
}

/** YAML tags (`!!set`, `!!binary`) make objects of other classes. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
