import { KubeconfigError } from './kubeconfig-error.js';

/** A value of a kubeconfig that knows where it stands. Its errors tell where and what, never the value. */
export class KubeconfigField {
  constructor(
    readonly value: unknown,
    private readonly file: string,
    readonly path = '',
  ) {}

  /** A member of an object; absent where the object itself is absent. */
  get(key: string): KubeconfigField {
    const members = this.members();
    const value = members !== undefined && Object.hasOwn(members, key) ? members[key] : undefined;
    return new KubeconfigField(value, this.file, this.path === '' ? key : `${this.path}.${key}`);
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  /** Absent, or nothing that an empty text, list or object would not say as well. */
  get isEmpty(): boolean {
    const { value } = this;
    return (
      this.isAbsent || value === '' || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
    );
  }

  /** The items of a list; none where it is absent. */
  list(): readonly KubeconfigField[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) return this.fail('must be a list');
    return this.value.map(
      (item: unknown, index) => new KubeconfigField(item, this.file, `${this.path}[${index}]`),
    );
  }

  strings(): readonly string[] {
    return this.list().map((item) =>
      typeof item.value === 'string' ? item.value : item.fail('must be a string'),
    );
  }

  string(): string {
    return this.optionalString() ?? this.fail('is missing');
  }

  /** Undefined for an empty one too, as everywhere in a kubeconfig. */
  optionalString(): string | undefined {
    if (this.isAbsent || this.value === '') return undefined;
    return typeof this.value === 'string' ? this.value : this.fail('must be a string');
  }

  /** False where it is absent. */
  boolean(): boolean {
    if (this.isAbsent) return false;
    return typeof this.value === 'boolean' ? this.value : this.fail('must be true or false');
  }

  requireObject(): void {
    if (this.members() === undefined) this.fail('is missing');
  }

  fail(problem: string): never {
    throw new KubeconfigError(this.file, this.path === '' ? problem : `${this.path} ${problem}`);
  }

  private members(): Readonly<Record<string, unknown>> | undefined {
    if (this.isAbsent) return undefined;
    return isPlainObject(this.value) ? this.value : this.fail('must be an object');
  }
}

/** YAML tags (`!!set`, `!!binary`) make objects of other classes. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
