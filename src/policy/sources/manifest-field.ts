import { ManifestError } from './manifest-error.js';
import type { ValuePath, YamlDocument } from '../../documents/yaml-documents.js';

/** A value of a manifest that knows where it stands, so that whatever is wrong with it can be found. */
export class Field {
  private constructor(
    readonly value: unknown,
    private readonly document: YamlDocument,
    private readonly file: string,
    private readonly path: ValuePath,
  ) {}

  static ofDocument(document: YamlDocument, file: string): Field {
    return new Field(document.value, document, file, []);
  }

  /** `file:line` */
  get where(): string {
    return `${this.file}:${this.document.lineOf(this.path)}`;
  }

  /** A member of an object; absent where the object itself is absent. */
  get(key: string): Field {
    const members = this.members();
    return this.at(key, members !== undefined && Object.hasOwn(members, key) ? members[key] : undefined);
  }

  /** The members of an object; none where it is absent. */
  entries(): readonly (readonly [key: string, field: Field])[] {
    return Object.entries(this.members() ?? {}).map(([key, value]) => [key, this.at(key, value)]);
  }

  requireObject(): void {
    if (this.members() === undefined) this.fail('must be an object, not null');
  }

  /** The items of a list; none where it is absent. */
  list(): readonly Field[] {
    if (this.isAbsent()) return [];
    if (!Array.isArray(this.value)) return this.fail(`must be a list, not ${this.type()}`);
    return this.value.map((item: unknown, index) => {
      const field = this.at(index, item);
      return item === null ? field.fail('must not be null') : field;
    });
  }

  strings(): readonly string[] {
    return this.list().map((item) =>
      typeof item.value === 'string' ? item.value : item.fail(`must be a string, not ${item.type()}`),
    );
  }

  string(): string {
    const text = this.optionalString();
    if (text === undefined) return this.fail('is missing');
    return text === '' ? this.fail('must not be empty') : text;
  }

  optionalString(): string | undefined {
    if (this.isAbsent()) return undefined;
    if (typeof this.value === 'string') return this.value;
    return this.fail(`must be a string, not ${this.type()}`);
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
    if (!this.isAbsent() && !(Number.isSafeInteger(this.value) && Number(this.value) >= 0)) {
      this.fail('must be a whole number from 0');
    }
  }

  fail(message: string): never {
    const name = this.path.map(shownStep).join('');
    throw new ManifestError(
      `${this.where}: ${name === '' ? 'a document' : name.replace(/^\./, '')} ${message}`,
    );
  }

  private at(step: string | number, value: unknown): Field {
    return new Field(value, this.document, this.file, [...this.path, step]);
  }

  isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  private members(): Readonly<Record<string, unknown>> | undefined {
    if (this.isAbsent()) return undefined;
    return isPlainObject(this.value) ? this.value : this.fail(`must be an object, not ${this.type()}`);
  }

  private type(): string {
    if (Array.isArray(this.value)) return 'a list';
    if (typeof this.value !== 'object') return `a ${typeof this.value}`;
    return isPlainObject(this.value) ? 'an object' : 'an object of another type';
  }
}

/** Keys of labels and annotations are anything that was written. */
function shownStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return /^[\w./-]{1,128}$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 128))}]`;
}

/** YAML tags (`!!set`, `!!binary`) make objects of other classes. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
